import { benchModel, BENCH_MODELS, type BenchModel, type BenchModelName } from "./bench-models.ts";
import {
  LATENCY_CASES,
  LIMIT_BATCHES,
  LOAD_CASES,
  type LoadCase,
  type LoadCaseName,
  type OtherCaseName,
} from "./load-cases.ts";
import {
  measureDecode,
  measureLatency,
  measureLimit,
  measureLoad,
  measureOverload,
  scrapeEventLoopDelayMs,
} from "./measurements.ts";
import type { BenchOptions } from "./options.ts";
import { encodingFor, PEERS, type Peer, type PeerName } from "./peers/peer.ts";
import { isInstalled, startPeer, type RunningPeer } from "./peers/run-peer.ts";
import { formatFailures } from "./report.ts";
import { ResultStore } from "./result-store.ts";
import { OVERLOAD_FACTORS, type Results } from "./results.ts";
import { expectedAnswer, faultOf } from "./wire/answer.ts";
import type { Encoding } from "./wire/encoding.ts";

/** Told how it goes, a line each. */
export type Progress = (line: string) => void;

interface NamedCase extends LoadCase {
  readonly name: LoadCaseName;
}

/** Of the requests that are decoded; the last is the CNN's. */
const DECODED = [
  { elements: 4, digits: "in full" },
  { elements: 784, digits: "in full" },
  { elements: 27_648, digits: "in full" },
  { elements: 27_648, digits: "six decimals" },
] as const;
/** Whose latency is measured: what plain node:http cannot do, with the same garbage collector and sockets, nobody can upon it. */
const LATENCY_PEERS: ReadonlySet<PeerName> = new Set(["lockstep", "node-http"]);
/** A round of decoding needs no more than this part of a load's. */
const DECODE_SHARE = 1 / 4;

/** Runs what was asked for. What cannot be measured is told in the results, and the rest goes on. */
export async function runSuite(options: BenchOptions, progress: Progress): Promise<Results> {
  const store = new ResultStore();
  const peers = PEERS.filter(({ name }) => options.peers.has(name)).filter((peer: Peer) => {
    if (isInstalled(peer)) return true;
    store.skip(peer.name, `is not installed: run bench/peers/install ${peer.installed?.replace("bench-venv-", "")}`);
    return false;
  });
  for (const name of BENCH_MODELS) {
    if (!isModelNeeded(name, options)) continue;
    const model = benchModel(name);
    if (model === undefined)
      store.skip(name, "the model is not on this machine: LOCKSTEP_E2E_MODELS may name its folder");
    else await runModel(model, peers, { options, store, progress });
  }
  if (options.cases.has("decode")) await runDecode({ options, store, progress });
  return store.results;
}

interface Context {
  readonly options: BenchOptions;
  readonly store: ResultStore;
  readonly progress: Progress;
}

async function runModel(model: BenchModel, peers: readonly Peer[], context: Context): Promise<void> {
  const { options, store, progress } = context;
  const cases = LOAD_CASES.filter((each: NamedCase) => each.model === model.name && options.cases.has(each.name));
  if (model.name === "mlp" && options.cases.has("start")) await runStarts(model, context);
  const needed = peers.filter(
    (peer: Peer) =>
      peer.name === "lockstep" ||
      cases.some(({ encoding }) => encodingFor(peer, encoding) !== undefined) ||
      (LATENCY_PEERS.has(peer.name) && isLatencyMeasured(model.name, options)) ||
      (model.name === "mlp" && options.cases.has("start") && peer.isConstant !== true),
  );
  await using resources = new AsyncDisposableStack();
  const running: RunningPeer[] = [];
  for (const peer of needed) {
    try {
      const server = resources.use(await startPeer(peer, model));
      running.push(server);
      store.addStart(model.name, peer.name, server);
      const megabytes = Math.round(server.residentBytes / 1e6);
      progress(`${model.name}: ${peer.name} answers after ${Math.round(server.startMs)} ms, with ${megabytes} MB`);
    } catch (error) {
      store.skip(`${peer.name} with ${model.name}`, wordsOf(error));
    }
  }
  for (const each of cases) await runCase(each, running, context);
  const lockstep = running.find(({ peer }) => peer.name === "lockstep");
  if (lockstep === undefined) return;
  for (const name of LATENCY_CASES) {
    const each = LOAD_CASES.find((candidate) => candidate.name === name && candidate.model === model.name);
    const servers = running.filter(({ peer }) => LATENCY_PEERS.has(peer.name));
    if (each !== undefined) await orSkip("latency", () => runLatency(each, servers, context), context);
  }
  if (model.name === "cnn") await orSkip("overload", () => runOverload(lockstep, context), context);
}

/** Each round asks every server once, so that all see the machine in the same mood. */
async function runCase(each: NamedCase, running: readonly RunningPeer[], context: Context): Promise<void> {
  const { options, store, progress } = context;
  const servers: { server: RunningPeer; encoding: Encoding }[] = [];
  for (const server of running) {
    const encoding = encodingFor(server.peer, each.encoding);
    if (encoding === undefined) continue;
    const fault = await faultOfAnswer(server, encoding);
    if (fault === undefined) servers.push({ server, encoding });
    else store.skip(`${each.name} of ${server.peer.name}`, fault);
  }
  for (let round = 0; round < options.rounds; round++) {
    for (const { server, encoding } of servers) {
      const { name } = server.peer;
      const watchesLoop = each.name === "cnn-binary" && name === "lockstep";
      if (watchesLoop) await scrapeEventLoopDelayMs(server);
      try {
        const measured = await measureLoad(server, each, encoding, options);
        store.addLoad(each.name, name, encoding, measured);
        const rate = `${Math.round(measured.requestsPerSecond)}/s, p99 ${measured.p99Ms.toFixed(1)} ms`;
        const failed = Object.keys(measured.failures).length === 0 ? "" : `, failed: ${formatFailures([measured])}`;
        progress(
          `${each.name} ${round + 1}/${options.rounds}: ${name} ${measured.cpuMsPerRequest.toFixed(3)} ms CPU, ${rate}${failed}`,
        );
      } catch (error) {
        store.skip(`${each.name} of ${name}, round ${round + 1}`, wordsOf(error));
      }
      if (watchesLoop) store.addEventLoopDelay(await scrapeEventLoopDelayMs(server));
    }
    if (each.encoding === "binary" || each.name === "iris-json") await runLimits(each, servers[0]?.server, context);
  }
}

/** onnxruntime alone, in the same round. */
async function runLimits(each: NamedCase, server: RunningPeer | undefined, context: Context): Promise<void> {
  if (server === undefined) return;
  for (const batch of LIMIT_BATCHES[each.model]) {
    const rowsPerCpuSecond = await measureLimit(server.model, batch, context.options);
    context.store.addLimit(each.model, batch, rowsPerCpuSecond);
  }
}

async function runStarts(model: BenchModel, context: Context): Promise<void> {
  const lockstep = PEERS.find(({ name }) => name === "lockstep");
  if (lockstep === undefined) return;
  for (let round = 0; round < context.options.rounds; round++) {
    try {
      await using server = await startPeer(lockstep, model);
      context.store.addStart(model.name, lockstep.name, server);
      context.progress(`start ${round + 1}/${context.options.rounds}: ${Math.round(server.startMs)} ms`);
    } catch (error) {
      context.store.skip("start of lockstep", wordsOf(error));
      return;
    }
  }
}

/** Each round asks every server once, at half of what it could answer in that round. */
async function runLatency(
  each: NamedCase,
  servers: readonly RunningPeer[],
  { options, store, progress }: Context,
): Promise<void> {
  if (!options.cases.has("latency")) return;
  for (let round = 0; round < options.rounds; round++) {
    for (const server of servers) {
      const { name } = server.peer;
      const { requestsPerSecond } = await measureLoad(server, each, each.encoding, options);
      const measured = await measureLatency(server, each, requestsPerSecond, options);
      store.addLatency(each.name, name, measured);
      progress(
        `latency of ${each.name} ${round + 1}/${options.rounds}: ${name} alone p50 ${measured.unloadedP50Ms.toFixed(2)} ms, ` +
          `at ${Math.round(measured.requestsPerSecond)}/s p99 ${measured.p99Ms.toFixed(2)} ms, failed: ${formatFailures([measured])}`,
      );
    }
  }
}

async function runOverload(server: RunningPeer, { options, store, progress }: Context): Promise<void> {
  const each = LOAD_CASES.find(({ name }) => name === "cnn-binary");
  if (!options.cases.has("overload") || each === undefined) return;
  for (let round = 0; round < options.rounds; round++) {
    for (const factor of OVERLOAD_FACTORS) {
      const measured = await measureOverload(server, each, factor, options);
      store.addOverload(measured);
      const [good, rejected, peak] = [measured.goodputPerSecond, measured.rejectedPerSecond, measured.peakPerSecond];
      progress(
        `overload ${round + 1}/${options.rounds}, ${factor} times: ${Math.round(good)}/s of ${Math.round(peak)}/s, ` +
          `${Math.round(rejected)}/s rejected, p99 ${measured.rejectionP99Ms.toFixed(1)} ms, ` +
          `recovered in second ${measured.recoverySeconds}, failed: ${formatFailures([measured])}`,
      );
    }
  }
}

async function runDecode({ options, store, progress }: Context): Promise<void> {
  for (const { elements, digits } of DECODED) {
    const job = { elements, digits, rounds: options.rounds, measureMs: options.measureMs * DECODE_SHARE };
    for (const round of await measureDecode(job)) store.addDecode({ elements, digits }, round);
    progress(`decode: ${elements} numbers ${digits}`);
  }
}

/** A server that answers wrongly, or not at all, is not measured. */
async function faultOfAnswer(server: RunningPeer, encoding: Encoding): Promise<string | undefined> {
  try {
    const answer = await server.ask(encoding);
    if (server.peer.isConstant === true) return undefined;
    const fault = faultOf(answer, await expectedAnswer(server.model));
    return fault === undefined ? undefined : `its answer is wrong: ${fault}`;
  } catch (error) {
    return wordsOf(error);
  }
}

async function orSkip(what: OtherCaseName, run: () => Promise<void>, { store }: Context): Promise<void> {
  try {
    await run();
  } catch (error) {
    store.skip(what, wordsOf(error));
  }
}

function isModelNeeded(model: BenchModelName, options: BenchOptions): boolean {
  const { cases } = options;
  if (LOAD_CASES.some((each) => each.model === model && cases.has(each.name))) return true;
  if (model === "mlp" && cases.has("start")) return true;
  if (model === "cnn" && cases.has("overload")) return true;
  return isLatencyMeasured(model, options);
}

function isLatencyMeasured(model: BenchModelName, { cases }: BenchOptions): boolean {
  return cases.has("latency") && LOAD_CASES.some((each) => each.model === model && isLatencyCase(each.name));
}

function isLatencyCase(name: LoadCaseName): boolean {
  return LATENCY_CASES.some((each) => each === name);
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
