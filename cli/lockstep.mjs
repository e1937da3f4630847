#!/usr/bin/env node
// The command's door, in JavaScript that any Node.js of the last years can run: it goes on with this Node.js if that can
// run TypeScript, and else with the one that `npm install` has put beside it.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import process from "node:process";
import { fileURLToPath } from "node:url";

const OLDEST = 24;
const own = Number(process.versions.node.split(".")[0]);

if (own >= OLDEST) {
  await import(new URL("./main.ts", import.meta.url).href);
} else {
  const suffix = process.platform === "win32" ? ".exe" : "";
  const newer = fileURLToPath(new URL(`../node_modules/node/bin/node${suffix}`, import.meta.url));
  if (existsSync(newer)) runWith(newer);
  else {
    process.stderr.write(
      `lockstep needs Node.js ${OLDEST} or newer and this is ${process.version}.\n` +
        `Run "npm ci" in ${fileURLToPath(new URL("..", import.meta.url))}: it brings a Node.js that is new enough.\n` +
        `(If you did, its install scripts were switched off: "npm rebuild node" runs the one that matters.)\n`,
    );
    process.exitCode = 1;
  }
}

/** @param {string} node */
function runWith(node) {
  // The channel tells the child when this process is gone, however it ended.
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: ["inherit", "inherit", "inherit", "ipc"],
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    process.stderr.write(`${node} cannot be run: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on("exit", (code, signal) => {
    process.exit(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
  });
}
