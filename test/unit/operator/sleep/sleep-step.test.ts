import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nextSleepStep, type SleepSnapshot } from "../../../../operator/sleep/sleep-step.ts";

const MINE = { isReady: true, isMine: true };
const AWAKE: SleepSnapshot = { mode: "scalesToZero", replicas: 1, ready: 1, isIdle: false, slice: undefined };

describe("the next step", () => {
  test.each<[words: string, change: Partial<SleepSnapshot>, step: string]>([
    ["awake and asked: nothing to do", {}, "nothing"],
    ["idle: first the operators answer", { isIdle: true }, "cover"],
    ["idle, and they do not listen yet", { isIdle: true, slice: { isReady: false, isMine: true } }, "cover"],
    ["idle, and another leader wrote the slice", { isIdle: true, slice: { isReady: true, isMine: false } }, "cover"],
    ["idle, and they answer: the replicas go", { isIdle: true, slice: MINE }, "scaleToZero"],
    ["somebody has asked after all", { slice: MINE }, "uncover"],
    ["asleep", { replicas: 0, ready: 0, slice: MINE }, "cover"],
    ["asleep, and the last replica is still there", { replicas: 0, ready: 1, slice: MINE }, "cover"],
    ["asleep, and somebody has deleted the slice", { replicas: 0, ready: 0 }, "cover"],
    ["woken, and no replica is ready", { ready: 0, slice: MINE }, "cover"],
    ["new, and no replica is ready", { ready: 0 }, "cover"],
    ["there is no Deployment yet", { replicas: undefined, ready: 0 }, "nothing"],
    ["shall have a replica, and has none yet", { mode: "never", ready: 0, slice: MINE }, "cover"],
    ["shall have a replica, and has one", { mode: "never", slice: MINE }, "uncover"],
    ["has always had replicas", { mode: "never", ready: 0 }, "nothing"],
    ["stopped while asleep", { mode: "stopped", replicas: 0, ready: 0, slice: MINE }, "remove"],
    ["stopped", { mode: "stopped", replicas: 0, ready: 0 }, "nothing"],
  ])("%s", (_words, change, step) => {
    expect(nextSleepStep({ ...AWAKE, ...change })).toEqual({ kind: step });
  });
});

test("whatever happens: there is somebody who answers, unless it is stopped", () => {
  // Requests and replicas do as they like between two steps, and so may the next leader; nobody else touches slice and replicas.
  const event = fc.constantFrom("asked", "quiet", "replica ready", "replica lost", "operator changes", "look");
  fc.assert(
    fc.property(fc.array(event, { maxLength: 80 }), (events) => {
      let replicas = 1;
      let ready = 1;
      let isIdle = false;
      let leader = 1;
      let slice: { isReady: boolean; holder: number } | undefined;
      for (const each of events) {
        if (each === "asked") {
          isIdle = false;
          // The activator wakes it.
          if (ready === 0 || replicas === 0) replicas = 1;
        } else if (each === "quiet") isIdle = ready > 0;
        else if (each === "replica ready") ready = Math.max(ready, replicas);
        else if (each === "operator changes") {
          leader++;
          isIdle = false;
        } else if (each === "replica lost") {
          // A fault, for which nobody can be ready.
          if (slice !== undefined && slice.isReady) ready = 0;
        }
        const view = slice === undefined ? undefined : { isReady: slice.isReady, isMine: slice.holder === leader };
        const step = nextSleepStep({ mode: "scalesToZero", replicas, ready, isIdle, slice: view });
        if (step.kind === "cover") slice = { isReady: true, holder: isIdle ? leader : (slice?.holder ?? leader) };
        else if (step.kind === "uncover") slice = undefined;
        else if (step.kind === "scaleToZero") {
          replicas = 0;
          ready = 0;
          isIdle = false;
        }
        expect(ready > 0 || slice?.isReady === true).toBe(true);
      }
    }),
  );
});
