import type { BenchModelName } from "./bench-models.ts";
import type { DecodeJob } from "./decode-json.ts";
import type { LoadCaseName } from "./load-cases.ts";
import type { PeerName } from "./peers/peer.ts";
import type { DecodeRound, LatencyRound, LoadRound, OverloadRound, Results } from "./results.ts";
import type { Encoding } from "./wire/encoding.ts";

/** Collects what a run measures. */
export class ResultStore {
  #results: Results = {
    loads: {},
    limits: {},
    starts: {},
    latency: {},
    overload: [],
    eventLoopDelayP99Ms: [],
    decode: {},
    skipped: [],
  };

  get results(): Results {
    return this.#results;
  }

  addLoad(name: LoadCaseName, peer: PeerName, encoding: Encoding, round: LoadRound): void {
    const ofCase = this.#results.loads[name];
    const rounds = [...(ofCase?.[peer]?.rounds ?? []), round];
    this.#set({ loads: { ...this.#results.loads, [name]: { ...ofCase, [peer]: { encoding, rounds } } } });
  }

  addLimit(model: BenchModelName, batch: number, rowsPerCpuSecond: number): void {
    const ofModel = this.#results.limits[model];
    const rounds = [...(ofModel?.[batch] ?? []), rowsPerCpuSecond];
    this.#set({ limits: { ...this.#results.limits, [model]: { ...ofModel, [batch]: rounds } } });
  }

  addStart(
    model: BenchModelName,
    peer: PeerName,
    { startMs, residentBytes }: { readonly startMs: number; readonly residentBytes: number },
  ): void {
    const ofModel = this.#results.starts[model];
    const known = ofModel?.[peer] ?? { startMs: [], residentBytes: [] };
    const added = {
      startMs: [...known.startMs, startMs],
      residentBytes: [...known.residentBytes, residentBytes],
    };
    this.#set({ starts: { ...this.#results.starts, [model]: { ...ofModel, [peer]: added } } });
  }

  addLatency(name: LoadCaseName, peer: PeerName, round: LatencyRound): void {
    const ofCase = this.#results.latency[name];
    const rounds = [...(ofCase?.[peer] ?? []), round];
    this.#set({ latency: { ...this.#results.latency, [name]: { ...ofCase, [peer]: rounds } } });
  }

  addOverload(round: OverloadRound): void {
    this.#set({ overload: [...this.#results.overload, round] });
  }

  /** Nothing, if the server did not tell. */
  addEventLoopDelay(p99Ms: number | undefined): void {
    if (p99Ms !== undefined) this.#set({ eventLoopDelayP99Ms: [...this.#results.eventLoopDelayP99Ms, p99Ms] });
  }

  addDecode({ elements, digits }: Pick<DecodeJob, "elements" | "digits">, round: DecodeRound): void {
    const name = `${elements} ${digits}`;
    const rounds = [...(this.#results.decode[name] ?? []), round];
    this.#set({ decode: { ...this.#results.decode, [name]: rounds } });
  }

  skip(what: string, why: string): void {
    this.#set({ skipped: [...this.#results.skipped, { what, why }] });
  }

  #set(changed: Partial<Results>): void {
    this.#results = { ...this.#results, ...changed };
  }
}
