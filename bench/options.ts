import { parseArgs } from "node:util";
import { isCaseName, LOAD_CASES, OTHER_CASES, type CaseName } from "./load-cases.ts";
import { PEERS, type PeerName } from "./peers/peer.ts";

/** What a run of the benchmark does. */
export interface BenchOptions {
  readonly cases: ReadonlySet<CaseName>;
  readonly peers: ReadonlySet<PeerName>;
  readonly rounds: number;
  readonly warmupMs: number;
  readonly measureMs: number;
  /** The result as Markdown. */
  readonly isMarkdown: boolean;
  /** Where the rounds are written, as JSON. */
  readonly jsonFile: string | undefined;
  /** Whether the bundle is made anew before. */
  readonly bundles: boolean;
}

export type OptionsResult =
  | { readonly kind: "run"; readonly options: BenchOptions }
  | { readonly kind: "help" }
  | { readonly kind: "wrong"; readonly message: string };

/** Not needed for any goal. */
const ONLY_IN_FULL: ReadonlySet<PeerName> = new Set(["grpc-js-constant", "kserve-quiet"]);
const MAX_ROUNDS = 50;
const MAX_SECONDS = 30;

/** Reads the command line. */
export function readOptions(args: readonly string[]): OptionsResult {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        full: { type: "boolean", default: false },
        case: { type: "string", multiple: true },
        peers: { type: "string" },
        rounds: { type: "string" },
        seconds: { type: "string" },
        markdown: { type: "boolean", default: false },
        json: { type: "string" },
        "no-bundle": { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) return { kind: "help" };
    const measureMs = number(values.seconds, values.full ? 4 : 1, "--seconds", MAX_SECONDS) * 1000;
    const options: BenchOptions = {
      cases: casesOf(values.case, values.full),
      peers: peersOf(values.peers, values.full),
      rounds: Math.round(number(values.rounds, values.full ? 5 : 2, "--rounds", MAX_ROUNDS)),
      warmupMs: values.full ? 1_000 : 400,
      measureMs,
      isMarkdown: values.markdown,
      jsonFile: values.json,
      bundles: !values["no-bundle"],
    };
    return { kind: "run", options };
  } catch (error) {
    return { kind: "wrong", message: error instanceof Error ? error.message : String(error) };
  }
}

function casesOf(names: readonly string[] | undefined, isFull: boolean): Set<CaseName> {
  if (names !== undefined) {
    return new Set(
      names
        .flatMap((name) => name.split(","))
        .map((name) => {
          if (isCaseName(name)) return name;
          throw new Error(`--case: expected one of ${allCases().join(", ")}, got ${name}`);
        }),
    );
  }
  const onlyInFull = new Set<CaseName>(LOAD_CASES.filter((each) => "isOnlyInFull" in each).map(({ name }) => name));
  return new Set(allCases().filter((name) => isFull || !onlyInFull.has(name)));
}

/** All cases, in the order in which they are run. */
export function allCases(): CaseName[] {
  return [...LOAD_CASES.map(({ name }): CaseName => name), ...Object.keys(OTHER_CASES)].filter(isCaseName);
}

function peersOf(text: string | undefined, isFull: boolean): Set<PeerName> {
  const names = PEERS.map(({ name }): PeerName => name);
  if (text === "all") return new Set(names);
  if (text === undefined) return new Set(names.filter((name) => isFull || !ONLY_IN_FULL.has(name)));
  if (text === "none") return new Set(["lockstep"]);
  const wanted = text.split(",");
  const unknown = wanted.find((name) => !names.some((each) => each === name));
  if (unknown !== undefined) throw new Error(`--peers: expected all, none or of ${names.join(", ")}, got ${unknown}`);
  return new Set(names.filter((name) => name === "lockstep" || wanted.includes(name)));
}

function number(text: string | undefined, fallback: number, name: string, max: number): number {
  const value = text === undefined ? fallback : Number(text);
  if (value > 0 && value <= max) return value;
  throw new Error(`${name}: expected a number above 0 and at most ${max}, got ${text}`);
}
