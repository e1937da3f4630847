import { execFileSync } from "node:child_process";
import { copyFile, mkdir, rename, rm, statfs, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "vitest";
import type { RuntimeConfigInput } from "../../common/runtime-config.ts";
import { countersOf, expectCounted, strike, type AskedReplica } from "./fault-load.ts";
import {
  EXAMPLES,
  eventually,
  inferBody,
  ROOT,
  startReplicaProcess,
  temporaryFolder,
  type ReplicaUnderTest,
} from "./runtime-under-test.ts";

/** What clients notice when something is wrong with the machine: docs/faults.md has the figures. */
const MODEL_FILE = path.join(EXAMPLES, "models/version-echo/1/model.onnx");
const BODY = inferBody("input", "FP32", [0], [1, 1]);
const LATE_MS = 1_000;
const DAY_MS = 86_400_000;

/** A folder of versions of a model, and a replica that polls it. */
interface PolledReplica {
  readonly replica: ReplicaUnderTest;
  readonly asked: AskedReplica;
  readonly publish: (version: number) => Promise<void>;
  /** Waits until it serves this version, and no other one. */
  readonly waitFor: (version: number) => Promise<void>;
}

/** Starts a replica of version 1, each of whose versions has a second file of `dataBytes`. */
async function startPolledReplica(options: {
  readonly dataBytes: number;
  readonly environment?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly launcher?: readonly string[];
}): Promise<PolledReplica> {
  const folder = await temporaryFolder();
  const publish = async (version: number): Promise<void> => {
    const made = path.join(folder, `new-${version}`);
    await mkdir(made);
    await copyFile(MODEL_FILE, path.join(made, "model.onnx"));
    await writeFile(path.join(made, "data.bin"), Buffer.alloc(options.dataBytes, version));
    await rename(made, path.join(folder, "models/echo", String(version)));
  };
  await mkdir(path.join(folder, "models/echo"), { recursive: true });
  await publish(1);
  const config: RuntimeConfigInput = {
    configVersion: 1,
    service: { namespace: "default", name: "echo" },
    models: [
      {
        name: "echo",
        format: "onnx",
        storageUri: `file://${folder}/models/echo`,
        pollIntervalMs: 100,
        // Requests wait for others by the clock.
        batcher: { maxLatencyMs: 5 },
      },
    ],
  };
  const configFile = path.join(folder, "config.json");
  await writeFile(configFile, JSON.stringify(config));
  const replica = await startReplicaProcess({ LOCKSTEP_CONFIG: configFile, ...options.environment }, options.launcher);
  const waitFor = async (version: number): Promise<void> => {
    await eventually(
      async () => {
        const { phase, models } = await replica.state();
        const [model] = models;
        const isAlone = model?.versions.length === 1;
        return phase === "Ready" && isAlone && model.activeVersion === version ? true : undefined;
      },
      () => `version ${version} alone, got ${replica.process.output}`,
    );
  };
  await waitFor(1);
  const { headers } = options;
  const asked = { url: replica.url, model: "echo", body: BODY, ...(headers !== undefined && { headers }) };
  return { replica, asked, publish, waitFor };
}

describe("the disk is full", () => {
  /** Gives the command that follows a small disk of its own, which nobody else sees and which ends with it. */
  const onSmallDisk = (folder: string): readonly string[] => [
    "unshare",
    "--mount",
    "sh",
    "-c",
    `mount -t tmpfs -o size=8m tmpfs '${folder}' && exec "$@"`,
    "sh",
  ];
  /** Why that cannot be had, such as for who is not root. */
  const obstacle = ((): string | undefined => {
    try {
      execFileSync("unshare", ["--mount", "sh", "-c", "mount -t tmpfs tmpfs /mnt"], { stdio: "pipe" });
      return undefined;
    } catch (error) {
      return `a file system of its own cannot be mounted here: ${String(error).split("\n").slice(0, 2).join(" ")}`;
    }
  })();

  test("what is served goes on, the reason is told, and the version comes when there is room", async ({ skip }) => {
    if (obstacle !== undefined) skip(obstacle);
    const mounted = await temporaryFolder();
    const dataBytes = 2_000_000;
    const { replica, asked, publish, waitFor } = await startPolledReplica({
      dataBytes,
      environment: { LOCKSTEP_MODEL_DIR: path.join(mounted, "models") },
      launcher: onSmallDisk(mounted),
    });
    const { bsize } = await statfs(mounted);
    // The way to what the process alone has mounted.
    const disk = path.join(`/proc/${replica.process.child.pid}/root`, mounted);
    const filler = path.join(disk, "filler");
    const fill = async (leftBytes: number): Promise<void> => {
      await rm(filler, { force: true });
      const { bavail, bsize: blockBytes } = await statfs(disk);
      await writeFile(filler, Buffer.alloc(bavail * blockBytes - leftBytes));
    };
    const failure = (message: RegExp): Promise<unknown> =>
      eventually(
        async () => {
          const { phase, models } = await replica.state();
          expect(phase).toBe("Ready");
          const failed = models[0]?.versions.find(({ version }) => version === 2)?.failure;
          return failed !== undefined && message.test(failed.message) ? failed : undefined;
        },
        () => `a failure like ${message}, got ${replica.process.output}`,
      );

    const full = await strike("the disk is full, and a version is published", asked, async () => {
      await fill(0);
      await publish(2);
      expect(await failure(/^the version needs \d+ more bytes and the replica's disk has 0 left$/)).toMatchObject({
        reason: "StorageFull",
      });
    });
    expect(Object.keys(full.versions)).toEqual(["1"]);

    const torn = await strike("the disk runs full in the middle of a download", asked, async () => {
      // Room for the version itself, and none for what is noted beside it.
      await fill(Math.ceil(dataBytes / bsize + 1) * bsize);
      expect(await failure(/^the replica's disk is full \(ENOSPC\)$/)).toMatchObject({ reason: "StorageFull" });
    });
    expect(Object.keys(torn.versions)).toEqual(["1"]);

    const freed = await strike("the disk has room again", asked, async () => {
      await rm(filler);
      await waitFor(2);
    });
    expect(Object.keys(freed.versions)).toEqual(["1", "2"]);
    expect((await replica.state()).models[0]).not.toHaveProperty("failure");
    await expectCounted(asked.url, full.sent + torn.sent + freed.sent, LATE_MS);
  });
});

describe("the wall clock is set", () => {
  test.each([
    ["forward by a day, then back by two", [DAY_MS, -2 * DAY_MS]],
    ["back by a day, then forward by two", [-DAY_MS, 2 * DAY_MS]],
  ])("%s: nothing fails, and versions change as before", async (_what, steps) => {
    const { replica, asked, publish, waitFor } = await startPolledReplica({
      dataBytes: 1_000,
      environment: {
        NODE_OPTIONS: `--import=${path.join(ROOT, "test/fixtures/stepped-clock.ts")}`,
        STEPPED_CLOCK_STEPS_MS: steps.join(),
      },
      headers: { "x-request-timeout-ms": "5000" },
    });
    /** How far the replica's clock is ahead, to the second. */
    const aheadMs = async (): Promise<number> => {
      const { headers } = await fetch(`${asked.url}/v2/health/live`);
      return Date.parse(headers.get("date") ?? "") - Date.now();
    };
    let [sent, offsetMs, version] = [0, 0, 1];
    for (const stepMs of steps) {
      offsetMs += stepMs;
      const before = await countersOf(asked.url);
      const report = await strike(`the clock is set by ${stepMs / DAY_MS} days`, asked, async () => {
        replica.process.child.kill("SIGUSR2");
        await eventually(
          async () => (Math.abs((await aheadMs()) - offsetMs) < 5_000 ? true : undefined),
          () => `a clock that is ${offsetMs} ms ahead`,
        );
        version += 1;
        await publish(version);
        await waitFor(version);
      });
      sent += report.sent;
      expect(Object.keys(report.versions)).toEqual([String(version - 1), String(version)]);
      const after = await expectCounted(asked.url, sent, LATE_MS);
      expect([...before].filter(([series, value]) => (after.get(series) ?? value) < value)).toEqual([]);
    }
    replica.process.child.kill("SIGTERM");
    expect(await replica.process.exited).toEqual({ code: 0, signal: null });
  });
});
