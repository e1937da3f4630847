import type { Encoding } from "../wire/encoding.ts";

/** A server that the benchmark measures, or a reference that does less than one. */
export interface Peer {
  readonly name: PeerName;
  /** What it is, for the report. */
  readonly description: string;
  /** The script that starts it, from bench/peers: called with the model's file, its name, two ports and a folder. */
  readonly script: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** The folder that says that it is installed, under ~/.cache/lockstep; undefined if it comes with the project. */
  readonly installed?: string;
  /** What it speaks. For a case in `binary` a server that has no such thing is asked by gRPC. */
  readonly encodings: readonly Encoding[];
  /** It answers with constants, so its answers are not checked. */
  readonly isConstant?: boolean;
}

/** In the order in which they are measured and reported. */
export const PEERS = [
  {
    name: "lockstep",
    description: "Lockstep's runtime, as in its image",
    script: "lockstep/start",
    encodings: ["json", "binary", "grpc"],
  },
  {
    name: "node-http",
    description: "plain node:http: parses the request, answers a constant, computes nothing",
    script: "node-http/start",
    encodings: ["json", "binary"],
    isConstant: true,
  },
  {
    name: "grpc-js",
    description: "the same service on plain @grpc/grpc-js: a run of onnxruntime for each request",
    script: "grpc-js/start",
    encodings: ["grpc"],
  },
  {
    name: "grpc-js-constant",
    description: "@grpc/grpc-js, which answers a constant and computes nothing",
    script: "grpc-js/start",
    environment: { CONSTANT: "1" },
    encodings: ["grpc"],
    isConstant: true,
  },
  {
    name: "triton",
    description: "Triton with its python backend, which runs onnxruntime",
    script: "triton/start",
    installed: "bench-venv-triton",
    encodings: ["json", "binary", "grpc"],
  },
  {
    name: "triton-batching",
    description: "the same with Triton's dynamic batching, up to 64 rows",
    script: "triton/start",
    environment: { MAX_BATCH_SIZE: "64" },
    installed: "bench-venv-triton",
    encodings: ["json", "binary", "grpc"],
  },
  {
    name: "mlserver",
    description: "MLServer with an onnxruntime model, in its own process and without debug mode",
    script: "mlserver/start",
    installed: "bench-venv-mlserver",
    encodings: ["json", "grpc"],
  },
  {
    name: "kserve",
    description: "the KServe SDK with an onnxruntime model; as it comes, it logs each request",
    script: "kserve/start",
    installed: "bench-venv-kserve",
    encodings: ["json", "binary", "grpc"],
  },
  {
    name: "kserve-quiet",
    description: "the same without its log",
    script: "kserve/start",
    environment: { QUIET: "1" },
    installed: "bench-venv-kserve",
    encodings: ["json", "binary", "grpc"],
  },
] as const satisfies readonly (Omit<Peer, "name"> & { readonly name: string })[];

export type PeerName = (typeof PEERS)[number]["name"];

/** What a peer is asked in for a case: the case's own encoding, or gRPC for want of the binary one; undefined if nothing fits. */
export function encodingFor(peer: Peer, encoding: Encoding): Encoding | undefined {
  if (peer.encodings.includes(encoding)) return encoding;
  return encoding === "binary" && peer.encodings.includes("grpc") && peer.installed !== undefined ? "grpc" : undefined;
}
