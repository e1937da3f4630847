/**
 * `npm run bench`: measures Lockstep beside other servers and plain Node.js, and says which goals it meets. What it
 * measures and how is in docs/performance.md. This file is an entry.
 */
import { writeFileSync } from "node:fs";
import { availableParallelism, platform } from "node:os";
import { bundleRuntime } from "./bundle-runtime.ts";
import { LOAD_CASES, OTHER_CASES } from "./load-cases.ts";
import { readOptions, type BenchOptions } from "./options.ts";
import { PEERS } from "./peers/peer.ts";
import { asMarkdown, asText, machineOf, tablesOf } from "./report.ts";
import { runSuite } from "./suite.ts";

const width = Math.max(...[...LOAD_CASES, ...PEERS].map(({ name }) => name.length));
const line = (name: string, text: string): string => `  ${name.padEnd(width)}  ${text}`;
const HELP = `Measures Lockstep beside other model servers, plain Node.js and onnxruntime alone, one core for the server and another
for the load, and says which goals it meets. The short form takes less than 5 minutes.

  npm run bench                                  the short form: 2 rounds of 1 s
  npm run bench -- --full --peers all            what docs/performance.md shows: 5 rounds of 4 s
  npm run bench -- --case mlp-binary             one case; several with commas
  npm run bench -- --case start --rounds 10
  npm run bench -- --full --markdown > out.md    the result as Markdown; how it goes is told beside it

  --case NAME     what to measure, see below; default: all
  --peers NAMES   which servers, with commas, or all, or none but Lockstep; default: those that the goals need
  --rounds N      how often each server is measured in each case, in turn with the others
  --seconds N     how long each time
  --full          longer, and all cases and servers
  --markdown      print the result as Markdown
  --json FILE     write each round's figures there
  --no-bundle     measure dist/runtime as it is, instead of making it anew

cases
${LOAD_CASES.map(({ name, title }) => line(name, title)).join("\n")}
${Object.entries(OTHER_CASES)
  .map(([name, title]) => line(name, title))
  .join("\n")}

servers
${PEERS.map(({ name, description }) => line(name, description)).join("\n")}

bench/peers/install installs the ones that do not come with the project, in ~/.cache/lockstep; without them they are left
out. CPU per request is what counts: user and system time of all of a server's processes, by answered request. Requests
per second depend on what else the machine does.`;

// The servers end with this process; their folders are removed when it exits.
process.once("SIGINT", () => process.exit(130));
process.once("SIGTERM", () => process.exit(143));

const read = readOptions(process.argv.slice(2));
if (read.kind === "help") console.log(HELP);
else if (read.kind === "wrong") {
  console.error(`${read.message}\nnpm run bench -- --help tells what there is`);
  process.exitCode = 2;
} else await bench(read.options);

async function bench(options: BenchOptions): Promise<void> {
  if (platform() !== "linux") throw new Error("expected Linux: CPU time of process trees is read from /proc");
  if (availableParallelism() < 2) console.error("one core only: the load takes its CPU time from the server's core");
  if (options.bundles) bundleRuntime();
  const startMs = performance.now();
  const progress = (text: string): void => {
    const seconds = Math.round((performance.now() - startMs) / 1000);
    console.error(`[${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}] ${text}`);
  };
  const results = await runSuite(options, progress);
  if (options.jsonFile !== undefined) writeFileSync(options.jsonFile, `${JSON.stringify(results, undefined, 2)}\n`);
  const tables = tablesOf(results);
  const conditions = `${machineOf()}; ${options.rounds} rounds of ${options.measureMs / 1000} s: median (least to greatest)`;
  console.log(options.isMarkdown ? `${conditions}\n\n${asMarkdown(tables)}` : `\n${asText(tables)}\n\n${conditions}`);
}
