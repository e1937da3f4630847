import { describe, expect, test } from "vitest";
import { LOAD_PATH, parseReplicaLoad, type ReplicaLoad } from "../../common/admin-api.ts";
import { EXAMPLES, eventually, infer, inferBody, startReplicaProcess } from "./runtime-under-test.ts";

const ROW = inferBody("input", "FP32", [5.1, 3.5, 1.4, 0.2], [1, 4]);

describe("what a replica tells of its load", () => {
  test("sums up what came by any way, whatever became of it", async () => {
    const replica = await startReplicaProcess({ LOCKSTEP_STORAGE_URI: `file://${EXAMPLES}/models/iris` });
    const adminPort = await replica.process.waitFor(/"adminPort":(\d+)/);
    const load = async (): Promise<ReplicaLoad> =>
      parseReplicaLoad(await (await fetch(`http://127.0.0.1:${adminPort}${LOAD_PATH}`)).json());
    await eventually(
      async () => ((await replica.state()).phase === "Ready" ? true : undefined),
      () => `ready, got ${replica.process.output}`,
    );
    const idle = await load();
    expect(idle).toMatchObject({ inFlight: 0, requests: 0, refused: 0, inFlightMs: 0, queueMs: 0, queued: 0 });

    const answers = await Promise.all(Array.from({ length: 20 }, () => infer(replica.url, "iris", ROW)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
    const stream = await fetch(`${replica.url}/v2/models/iris/infer_stream`, {
      method: "POST",
      headers: { "content-type": "application/x-ndjson" },
      body: `${ROW}\n${ROW}\n${ROW}\n`,
    });
    expect((await stream.text()).trim().split("\n")).toHaveLength(3);
    expect((await infer(replica.url, "iris", "{")).status).toBe(400);

    // What has been answered is counted a moment after the client has it.
    const busy = await eventually(
      async () => {
        const answer = await load();
        return answer.inFlight === 0 && answer.requests >= 24 ? answer : undefined;
      },
      () => "24 requests that have ended",
    );
    expect(busy).toMatchObject({ instance: idle.instance, requests: 24, refused: 0, queued: 23 });
    expect(busy.computeMs).toBeGreaterThan(idle.computeMs);
    expect(busy.inFlightMs).toBeGreaterThan(0);
    expect(busy.takenAtMs).toBeGreaterThan(idle.takenAtMs);
    // No more can have been in flight than the requests that there were, for as long as there were any.
    expect(busy.inFlightMs).toBeLessThan(24 * (busy.takenAtMs - idle.takenAtMs));

    expect(await load()).toMatchObject({ requests: 24, inFlightMs: busy.inFlightMs, computeMs: busy.computeMs });
  });
});
