import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { dump } from "js-yaml";
import { eventually } from "../eventually.ts";
import { freePorts } from "./free-ports.ts";
import { runProgram, type ProgramResult } from "./run-program.ts";
import { startSupervised } from "./supervised-process.ts";

const READY_WITHIN_MS = 20_000;

/** What Prometheus scrapes, as it would have found it in a cluster. */
export interface ScrapeJob {
  readonly name: string;
  readonly relabelConfigs: readonly object[];
  readonly targets: readonly {
    /** Host and port. */
    readonly address: string;
    /** Before they are relabelled. */
    readonly labels: Readonly<Record<string, string>>;
  }[];
}

/** A sample, or a series of them, in an answer of Prometheus. */
export interface QueryResult {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [seconds: number, value: string];
}

/** A Prometheus that evaluates and scrapes each second, on 127.0.0.1, with data that is gone at the end. */
export interface Prometheus extends AsyncDisposable {
  readonly url: string;
  /** An instant query. Throws an Error with what Prometheus says if it refuses. */
  query(expr: string): Promise<readonly QueryResult[]>;
  /** Any other path of its API. */
  api(path: string): Promise<unknown>;
}

/** Starts the machine's Prometheus. Throws if there is none, or it does not become ready. */
export async function startPrometheus(options: {
  readonly jobs: readonly ScrapeJob[];
  readonly ruleFiles: readonly string[];
}): Promise<Prometheus> {
  const program = programOf("prometheus", "PROMETHEUS");
  const folder = await mkdtemp(path.join(tmpdir(), "lockstep-prometheus-"));
  const [port] = await freePorts(1);
  const config = path.join(folder, "prometheus.yaml");
  await writeFile(
    config,
    dump({
      global: { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "1s" },
      rule_files: options.ruleFiles.map((file) => path.resolve(file)),
      scrape_configs: options.jobs.map(({ name, relabelConfigs, targets }) => ({
        job_name: name,
        static_configs: targets.map(({ address, labels }) => ({ targets: [address], labels: { ...labels } })),
        relabel_configs: [...relabelConfigs],
      })),
    }),
  );
  const running = startSupervised(
    "prometheus",
    [
      program,
      `--config.file=${config}`,
      `--storage.tsdb.path=${path.join(folder, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--log.level=warn",
    ],
    path.join(folder, "log.txt"),
  );
  const url = `http://127.0.0.1:${port}`;
  const stop = async (): Promise<void> => {
    await running.stop();
    await rm(folder, { recursive: true, force: true });
  };
  const api = async (apiPath: string): Promise<unknown> => {
    const response = await fetch(`${url}/api/v1/${apiPath}`, { signal: AbortSignal.timeout(10_000) });
    const answer = (await response.json()) as {
      readonly status: string;
      readonly error?: string;
      readonly data: unknown;
    };
    if (answer.status !== "success") throw new Error(`${apiPath}: ${answer.error}`);
    return answer.data;
  };
  try {
    await eventually(
      "a ready Prometheus",
      async () => {
        if (!running.isRunning()) throw new Error(running.logTail());
        return (await fetch(`${url}/-/ready`)).ok ? true : undefined;
      },
      { withinMs: READY_WITHIN_MS, everyMs: 100 },
    );
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url,
    api,
    query: async (expr) => {
      const data = await api(`query?query=${encodeURIComponent(expr)}`);
      return (data as { readonly result: readonly QueryResult[] }).result;
    },
    [Symbol.asyncDispose]: stop,
  };
}

/** Runs the tool that comes with Prometheus. */
export async function runPromtool(...args: string[]): Promise<ProgramResult> {
  return await runProgram([programOf("promtool", "PROMTOOL"), ...args]);
}

function programOf(name: string, variable: string): string {
  const program = process.env[variable] ?? `/usr/bin/${name}`;
  if (!existsSync(program))
    throw new Error(`these tests need Prometheus: install it (Debian: apt-get install prometheus), or set ${variable}`);
  return program;
}
