import { spawnSync } from "node:child_process";
import path from "node:path";
import { expect, test } from "vitest";

const MODULE = path.resolve(import.meta.dirname, "../../../runtime/end-process.ts");

const WORKER = `data:text/javascript,import{parentPort}from"node:worker_threads";parentPort.postMessage("up");for(;;);`;

/** Keeps a thread of its own and one of the pool busy for much longer than the test may take. */
const BUSY = `
  import { pbkdf2 } from "node:crypto";
  import { Worker } from "node:worker_threads";
  import { endProcessNow } from ${JSON.stringify(MODULE)};
  pbkdf2("a", "b", 2 ** 31 - 1, 64, "sha512", () => {});
  const worker = new Worker(new URL(${JSON.stringify(WORKER)}));
  worker.once("message", () => {
    process.stdout.write("last words");
    endProcessNow(CODE);
  });
`;

test.each([0, 1, 143])("ends with code %i, although threads are busy", (code) => {
  const ended = spawnSync(process.execPath, ["--input-type=module", "-e", BUSY.replace("CODE", String(code))], {
    encoding: "utf8",
    timeout: 30_000,
  });
  expect(ended).toMatchObject({ status: code, signal: null, stdout: "last words", stderr: "" });
});
