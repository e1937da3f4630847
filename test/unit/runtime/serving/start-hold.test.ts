import { expect, test } from "vitest";
import { StartHold } from "../../../../runtime/serving/start-hold.ts";

const NEVER = new AbortController().signal;

test("holds nobody for what is there, or with 0 ms, and is over then", async () => {
  await new StartHold(60_000).until(() => true, NEVER);
  const none = new StartHold(0);
  expect(none.isOver).toBe(true);
  await none.until(() => false, NEVER);
});

test("lets go when what is waited for has come, and not before", async () => {
  const hold = new StartHold(60_000);
  const looks: boolean[] = [];
  let isThere = false;
  const held = hold.until(() => {
    looks.push(isThere);
    return isThere;
  }, NEVER);
  hold.note();
  await new Promise(setImmediate);
  isThere = true;
  hold.note();
  await held;
  expect(looks).toEqual([false, false, true]);
  expect(hold.isOver).toBe(false);
});

test("lets everybody go at its end, and whoever comes later", async () => {
  const hold = new StartHold(60_000);
  const held = hold.until(() => false, NEVER);
  hold.end();
  await held;
  await hold.until(() => false, NEVER);
  expect(hold.isOver).toBe(true);
});

test("holds nobody for longer than it may", async () => {
  const hold = new StartHold(20);
  const beganMs = performance.now();
  await hold.until(() => false, NEVER);
  expect(performance.now() - beganMs).toBeGreaterThan(15);
});

test("rejects with the reason of a client that goes away, and with what looking throws", async () => {
  const hold = new StartHold(60_000);
  const gone = new AbortController();
  const held = hold.until(() => false, gone.signal);
  gone.abort(new Error("gone"));
  await expect(held).rejects.toThrow("gone");
  const looked = hold.until(() => {
    throw new Error("broken");
  }, NEVER);
  await expect(looked).rejects.toThrow("broken");
});
