/**
 * `npm run load -- --url http://127.0.0.1:30081/v2/models/digits/infer --sample examples/models/digits/samples.json`: sends
 * requests to an address of this machine for a while, and tells every few seconds how it goes.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { startLoad } from "./load.ts";

const HELP = `Drives a load: each client sends its next request when it has the answer to the last one.

  npm run load -- --url URL --sample FILE [--clients 8] [--seconds 90]

  --url      where to send requests; an address on 127.0.0.1
  --sample   a samples.json of a model: the request of its newest version is sent
  --clients  how many send at a time
  --seconds  how long, 600 at most; Ctrl-C ends it earlier
`;
const MAX_SECONDS = 600;
const REPORT_EVERY_MS = 5_000;

const { values } = parseArgs({
  options: {
    url: { type: "string" },
    sample: { type: "string" },
    clients: { type: "string", default: "8" },
    seconds: { type: "string", default: "90" },
    help: { type: "boolean", short: "h" },
  },
});
const clients = Number(values.clients);
const seconds = Number(values.seconds);
const isUsable = clients >= 1 && clients <= 256 && seconds >= 1 && seconds <= MAX_SECONDS;
if (values.help === true || values.url === undefined || values.sample === undefined || !isUsable) {
  console.log(HELP);
  process.exit(values.help === true ? 0 : 2);
}

const load = startLoad({
  url: values.url,
  body: requestOf(values.sample),
  clients,
  requestsPerConnection: 500,
  maxDurationMs: seconds * 1000,
});
const ended = Promise.withResolvers<void>();
const end = setTimeout(ended.resolve, seconds * 1000);
process.once("SIGINT", () => ended.resolve());
const ticker = setInterval(() => {
  const { sent, failed } = load.soFar();
  console.log(`${sent} requests, ${failed} failed`);
}, REPORT_EVERY_MS);
await ended.promise;
clearTimeout(end);
clearInterval(ticker);

const report = await load.stop();
console.log(
  `${report.sent} requests in ${Math.round(report.durationMs / 1000)} s (${report.requestsPerSecond} a second), ` +
    `${report.failed} failed; half took less than ${report.p50Ms} ms, 99 % less than ${report.p99Ms} ms`,
);
for (const [kind, { count }] of Object.entries(report.failures)) console.log(`  ${count} times: ${kind}`);
process.exitCode = report.failed === 0 ? 0 : 1;

/** The request of the newest version in a samples.json. */
function requestOf(file: string): string {
  const samples = JSON.parse(readFileSync(file, "utf8")) as Record<string, { request: object }>;
  const newest = String(Math.max(...Object.keys(samples).map(Number)));
  return JSON.stringify(samples[newest]?.request);
}
