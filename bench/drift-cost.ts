/**
 * `node bench/drift-cost.ts [--rounds 7] [--seconds 2]`: what the watch on drift costs. Two replicas, one with it and one without, take
 * turns on the same core, and the CPU time of a request is compared within each turn.
 */
import { parseArgs } from "node:util";
import { benchModel } from "./bench-models.ts";
import { bundleRuntime } from "./bundle-runtime.ts";
import { measureLoad } from "./measurements.ts";
import type { LoadRound } from "./results.ts";
import { PEERS } from "./peers/peer.ts";
import { startPeer } from "./peers/run-peer.ts";

const CASES = [
  { title: "iris, JSON", model: "iris", encoding: "json" },
  { title: "mlp, binary", model: "mlp", encoding: "binary" },
] as const;
const LOAD = { connections: 64, streams: 1 };

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "7" }, seconds: { type: "string", default: "2" } },
});
const durations = { warmupMs: 500, measureMs: Number(values.seconds) * 1000 };
const [lockstep] = PEERS;

bundleRuntime();
for (const { title, model: name, encoding } of CASES) {
  const model = benchModel(name);
  if (model === undefined) throw new Error(`${name} is not on this machine`);
  await using off = await startPeer({ ...lockstep, environment: { LOCKSTEP_DRIFT_ROWS_PER_SECOND: "0" } }, model);
  await using on = await startPeer(lockstep, model);
  // Code is compiled while it runs: the first turns are not counted.
  for (const server of [off, on]) await measureLoad(server, LOAD, encoding, { ...durations, warmupMs: 3_000 });
  const turns: { readonly off: LoadRound; readonly on: LoadRound }[] = [];
  for (let turn = 0; turn < Number(values.rounds); turn++) {
    const isOffFirst = turn % 2 === 0;
    const first = await measureLoad(isOffFirst ? off : on, LOAD, encoding, durations);
    const second = await measureLoad(isOffFirst ? on : off, LOAD, encoding, durations);
    turns.push(isOffFirst ? { off: first, on: second } : { off: second, on: first });
  }
  console.log(`${title}: CPU of a request in us, and requests a second; off, on`);
  for (const turn of turns) {
    const cpu = [turn.off, turn.on].map(({ cpuMsPerRequest }) => (cpuMsPerRequest * 1000).toFixed(1));
    console.log(
      `  ${cpu.join(", ")}; ${[turn.off, turn.on].map((each) => each.requestsPerSecond.toFixed(0)).join(", ")}`,
    );
  }
  const ratios = turns.map((turn) => turn.on.cpuMsPerRequest / turn.off.cpuMsPerRequest - 1).sort((a, b) => a - b);
  const percent = ratios.map((ratio) => `${(ratio * 100).toFixed(1)} %`);
  console.log(
    `  CPU with it beside without: median ${percent[Math.floor(percent.length / 2)]}, ${percent[0]} to ${percent.at(-1)}`,
  );
}
