import type { Protocol } from "../../common/runtime-config.ts";
import type { Priority, ServableView } from "../core/servable.ts";
import type { Tensor } from "../core/tensor.ts";
import type { ServingError } from "../errors.ts";

/** A request as it came, apart from the transport. */
export interface WireRequest {
  /** Tensors may become views onto it, and the engine may take its buffer: nobody else may need that. */
  readonly body: Uint8Array;
  /** A header by its lower-case name. */
  header(name: string): string | undefined;
}

/** An answer to be sent. */
export interface WireAnswer {
  /** Parts are sent one after the other, without being copied together first. */
  readonly body: Uint8Array | string | readonly Uint8Array[];
  /** Default: application/json. */
  readonly contentType?: string;
  /** Beside those that the transport sets; names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Where a request stands in a sequence, for models that keep a state. */
export interface SequencePosition {
  /** The client's own name for it. */
  readonly id: string;
  /** Forget whatever was kept under this id. */
  readonly isStart: boolean;
  /** Forget the state when the request has been answered. */
  readonly isEnd: boolean;
}

/** What a model gave, for a dialect to write. */
export interface ModelAnswer {
  readonly servable: ServableView;
  /** In the order of {@link PreparedRequest.outputs}. */
  readonly outputs: readonly Tensor[];
}

/** A request that fits its model, and how to write its answer. */
export interface PreparedRequest {
  /** The client's own name for the request, where its body has one. */
  readonly id?: string | undefined;
  /** In the order of the signature; whoever infers owns them. Those that are a model's state may be missing. */
  readonly inputs: readonly Tensor[];
  /** Names of the outputs wanted; undefined means all that the model has (without its state, in a sequence). */
  readonly outputs: readonly string[] | undefined;
  readonly sequence?: SequencePosition | undefined;
  /** Default: the one that came beside the request, or interactive. */
  readonly priority?: Priority;
  /** How long an answer is waited for, in ms. Default: as long as came beside the request. */
  readonly timeoutMs?: number | undefined;
  /** Writes the answer. Throws ServingError if the dialect cannot carry the outputs. */
  readonly writeAnswer: (answer: ModelAnswer) => WireAnswer;
}

/** A way to ask for inference and to answer, apart from any transport. */
export interface Dialect {
  /** For metrics, such as `v2` or `tensorflow-serving`: one of a fixed few. */
  readonly name: string;
  /** What metrics call a request in one of several forms of the dialect: one of a fixed few. Default: `name`. */
  readonly nameOf?: (request: Pick<WireRequest, "header">) => string;
  /** What switches it on and off. */
  readonly protocol: Protocol;
  /**
   * Which of several models a request is for, in dialects whose paths name none. `names` are those that there are. Throws
   * ServingError if the request does not say it.
   */
  readonly modelOf?: (request: Pick<WireRequest, "header">, names: readonly string[]) => string;
  /** Checks the head before the body is read. Throws ServingError, such as UnsupportedMediaType. */
  readonly checkHead: (request: Pick<WireRequest, "header">) => void;
  /** Reads a body, already decompressed, and checks it against the model's signature. Throws ServingError. */
  readonly prepare: (request: WireRequest, servable: ServableView) => PreparedRequest;
  /** Writes the body of an error's answer. Default: `{"error": message}`. */
  readonly writeError?: (error: ServingError) => WireAnswer;
}

/** Where a request for inference is meant to go. */
export interface InferenceRoute {
  readonly dialect: Dialect;
  /** Undefined means the only model that there is, or the one that the dialect's `modelOf` tells. */
  readonly model: string | undefined;
  /** Undefined means the active version. */
  readonly version: number | undefined;
  /** A name for a version; never beside `version`. */
  readonly label?: string | undefined;
  /** `stream` and `batch` read and answer many requests in one exchange. Default: unary. */
  readonly mode?: "unary" | "stream" | "batch";
}

/** `unknown` is a path of inference that cannot lead anywhere; `other` is none. */
export type RouteResult =
  | { readonly kind: "inference"; readonly route: InferenceRoute }
  | { readonly kind: "unknown" }
  | { readonly kind: "other" };

/**
 * Tells whether a POST is a request for inference of a dialect, and where it goes. `segments` are those of the path,
 * each percent-decoded once, without the empty one before the first slash; a segment that is not percent-encoded
 * properly is empty. `target` is the path as it came, without the query. `protocols` are those that are switched on, for folders that
 * serve several. Called once for each distinct target, then remembered: must be pure.
 */
export type RouteInference = (
  segments: readonly string[],
  target: string,
  protocols: ReadonlySet<Protocol>,
) => RouteResult;
