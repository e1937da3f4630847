/**
 * `npm run bench:versions`: what requests notice of a new version that is fetched, verified, loaded and warmed beside the
 * one that answers, and takes its place. This file is an entry.
 */
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { floats, onnxModel } from "../test/fixtures/onnx-builder.ts";
import type { BenchModel } from "./bench-models.ts";
import { bundleRuntime } from "./bundle-runtime.ts";
import type { LoadResult, Pacing } from "./loadgen/job.ts";
import { runLoad } from "./loadgen/run-load.ts";
import { countOf, failuresOf, isGood, latenciesOf } from "./measurements.ts";
import { PEERS, type Peer } from "./peers/peer.ts";
import { startPeer, type RunningPeer } from "./peers/run-peer.ts";
import { targetOf } from "./wire/encoding.ts";

const HELP = `Measures the p99 of requests while a replica changes to a new version in place, beside that of the same load when nothing
changes, at 60 % of what the replica can answer: one core for it, another for the load.

  npm run bench:versions                          models of 5 and 500 MB, 3 rounds of 10 s
  npm run bench:versions -- --sizes 5 --rounds 1

  --sizes LIST    sizes of the model's file, in MB
  --rounds N      how often
  --seconds N     the time around the change that is looked at
  --no-bundle     measure dist/runtime as it is
`;
const { values } = parseArgs({
  options: {
    help: { type: "boolean", default: false },
    sizes: { type: "string", default: "5,500" },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "10" },
    "no-bundle": { type: "boolean", default: false },
  },
});

const LOAD = 0.6;
const CONNECTIONS = 16;
const CAPACITY_MS = 2_000;
/** The change begins so long after the load's measured time. */
const LEAD_MS = 1_500;
const COLUMNS = 16;

if (values.help) process.stdout.write(HELP);
else await main();

async function main(): Promise<void> {
  if (!values["no-bundle"]) bundleRuntime();
  for (const sizeMb of values.sizes.split(",").map(Number)) {
    const ratios: number[] = [];
    for (let round = 1; round <= Number(values.rounds); round++) {
      const { steadyP99Ms, changeP99Ms, changedAfterMs, failed } = await measure(sizeMb, Number(values.seconds) * 1000);
      ratios.push(changeP99Ms / steadyP99Ms);
      process.stdout.write(
        `${sizeMb} MB ${round}/${values.rounds}: p99 ${steadyP99Ms.toFixed(2)} ms steady, ${changeP99Ms.toFixed(2)} ms around ` +
          `the change, ${(changeP99Ms / steadyP99Ms).toFixed(2)}x; served ${Math.round(changedAfterMs)} ms after it was there, ${failed} failed\n`,
      );
    }
    const sorted = ratios.toSorted((a, b) => a - b);
    process.stdout.write(
      `${sizeMb} MB: ${sorted[Math.floor(sorted.length / 2)]?.toFixed(2)}x (${sorted[0]?.toFixed(2)} to ${sorted.at(-1)?.toFixed(2)}), goal at most 1.2x\n`,
    );
  }
}

interface Round {
  readonly steadyP99Ms: number;
  readonly changeP99Ms: number;
  /** From the moment that the new version lies in the repository complete. */
  readonly changedAfterMs: number;
  readonly failed: number;
}

async function measure(sizeMb: number, measureMs: number): Promise<Round> {
  const folder = mkdtempSync(path.join(tmpdir(), "lockstep-bench-versions-"));
  try {
    const repository = path.join(folder, "repository");
    writeVersion(repository, 1, sizeMb);
    const lockstep = PEERS.find(({ name }) => name === "lockstep");
    if (lockstep === undefined) throw new Error("unreachable: Lockstep is a peer of itself");
    const peer: Peer = { ...lockstep, environment: { LOCKSTEP_CONFIG: writeConfig(folder, repository) } };
    await using server = await startPeer(peer, model(repository));
    const capacity = await load(server, { kind: "closed", connections: CONNECTIONS, streams: 1 }, CAPACITY_MS);
    const requestsPerSecond = (countOf(capacity, isGood) / capacity.seconds) * LOAD;
    const pacing: Pacing = { kind: "open", connections: CONNECTIONS, streams: 1, requestsPerSecond };
    const steady = await load(server, pacing, measureMs);
    // Made before, and moved in at once: only the replica's own work is measured.
    writeVersion(path.join(folder, "next"), 2, sizeMb);
    const changing = load(server, pacing, measureMs);
    await delay(LEAD_MS);
    const startMs = performance.now();
    renameSync(path.join(folder, "next/2"), path.join(repository, "2"));
    const changedAfterMs = await untilServed(server, startMs, measureMs);
    const changed = await changing;
    return { steadyP99Ms: p99Of(steady), changeP99Ms: p99Of(changed), changedAfterMs, failed: failedOf(changed) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function untilServed(server: RunningPeer, startMs: number, withinMs: number): Promise<number> {
  for (;;) {
    const response = await fetch(`http://127.0.0.1:${server.ports.http}/v2/models/mlp/versions/2/ready`);
    await response.body?.cancel();
    if (response.ok) return performance.now() - startMs;
    if (performance.now() - startMs > withinMs) throw new Error("version 2 is not served");
    await delay(50);
  }
}

function load(server: RunningPeer, pacing: Pacing, measureMs: number): Promise<LoadResult> {
  const target = targetOf(server.model, "binary", server.ports);
  return runLoad({ target, pacing, warmupMs: 500, measureMs, serverPid: server.pid });
}

/** A table of the size that is wanted, of which a request looks one line up: hardly anything is computed. */
function writeVersion(repository: string, version: number, sizeMb: number): void {
  const lines = Math.ceil((sizeMb * 1e6) / 4 / COLUMNS);
  const file = onnxModel({
    inputs: [{ name: "input", type: "FLOAT", dims: ["n", 1] }],
    outputs: [{ name: "output", type: "FLOAT", dims: ["n", 1, COLUMNS] }],
    nodes: [
      { op: "Cast", inputs: ["input"], outputs: ["line"], attributes: { to: { kind: "int", value: 7 } } },
      { op: "Gather", inputs: ["table", "line"], outputs: ["output"] },
    ],
    initializers: {
      table: { type: "FLOAT", dims: [lines, COLUMNS], data: floats(new Float32Array(lines * COLUMNS).fill(version)) },
    },
  });
  mkdirSync(path.join(repository, String(version)), { recursive: true });
  writeFileSync(path.join(repository, String(version), "model.onnx"), file);
}

function writeConfig(folder: string, repository: string): string {
  const file = path.join(folder, "config.json");
  const served = { name: "mlp", format: "onnx", storageUri: `file://${repository}`, pollIntervalMs: 1_000 };
  writeFileSync(
    file,
    JSON.stringify({ configVersion: 1, service: { namespace: "bench", name: "versions" }, models: [served] }),
  );
  return file;
}

function model(repository: string): BenchModel {
  const input = { name: "input", datatype: "FP32", shape: [1, 1], data: Float32Array.of(3) } as const;
  return { name: "mlp", file: path.join(repository, "1/model.onnx"), inputs: [input] };
}

function failedOf(result: LoadResult): number {
  return Object.values(failuresOf(result, isGood)).reduce((sum, count) => sum + count, 0);
}

function p99Of(result: LoadResult): number {
  return latenciesOf(result, () => true).quantile(0.99);
}
