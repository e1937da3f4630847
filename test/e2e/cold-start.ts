import { kubectl, read } from "./kubectl.ts";

/** Where the time of a first answer went, in ms since the request was sent. */
export interface ColdStart {
  /** The process of the replica has written its first line, as it listens. Before that: the wake, the pod, its container, Node.js. */
  readonly listening: number;
  /** The operator has said which version, and it is being fetched. */
  readonly fetching: number;
  readonly loading: number;
  /** Warmed up. */
  readonly available: number;
  /** The operator has let it answer. */
  readonly serving: number;
  readonly answered: number;
}

interface Pods {
  readonly items: readonly { readonly metadata: { readonly name: string; readonly deletionTimestamp?: string } }[];
}

const LINES = {
  listening: "listening",
  fetching: "fetching",
  loading: "fetched; loading",
  available: "available",
  serving: "serving this epoch",
} as const;

/** Reads the log of the replica that was started for a request; times are those of the machine's clock. */
export async function coldStartOf(
  namespace: string,
  service: string,
  { sentMs, answeredMs }: { readonly sentMs: number; readonly answeredMs: number },
): Promise<ColdStart> {
  const pods = await read<Pods>(namespace, "pods", "-l", `serving.lockstep.dev/inferenceservice=${service}`);
  const [pod] = pods?.items.filter(({ metadata }) => metadata.deletionTimestamp === undefined) ?? [];
  const log = await kubectl(["logs", "-n", namespace, pod?.metadata.name ?? "", "-c", "runtime"]);
  const lines = log
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as { readonly time: string; readonly msg: string });
  const at = (msg: string): number => {
    const line = lines.find((candidate) => candidate.msg === msg);
    return line === undefined ? Number.NaN : Date.parse(line.time) - sentMs;
  };
  return {
    listening: at(LINES.listening),
    fetching: at(LINES.fetching),
    loading: at(LINES.loading),
    available: at(LINES.available),
    serving: at(LINES.serving),
    answered: answeredMs - sentMs,
  };
}
