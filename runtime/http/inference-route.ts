import type { Protocol } from "../../common/runtime-config.ts";
import type { RouteResult } from "../protocol/dialect.ts";
import { PROTOCOL_PATHS, type ProtocolPaths } from "./protocols.ts";

const OTHER: RouteResult = { kind: "other" };
/** Targets that are remembered, and how long they may be: clients use few, and a flood of others must not cost memory. */
const MAX_REMEMBERED = 1_024;
const MAX_REMEMBERED_LENGTH = 512;

/** Tells which requests are for inference, by the protocols that are switched on. */
export class InferenceRouter {
  readonly #protocols: ReadonlySet<Protocol>;
  readonly #paths: readonly ProtocolPaths[];
  readonly #remembered = new Map<string, RouteResult>();

  constructor(protocols: ReadonlySet<Protocol>, paths: readonly ProtocolPaths[] = PROTOCOL_PATHS) {
    this.#protocols = protocols;
    this.#paths = paths.filter((each) => each.protocols.some((protocol) => protocols.has(protocol)));
  }

  /**
   * `target` is the request line's, in origin or absolute form. Segments of its path are percent-decoded once; empty
   * ones, and what is still odd then, lead nowhere.
   */
  route(target: string): RouteResult {
    const known = this.#remembered.get(target);
    if (known !== undefined) return known;
    const result = this.#route(pathOf(target));
    if (result.kind === "inference" && target.length <= MAX_REMEMBERED_LENGTH) {
      if (this.#remembered.size === MAX_REMEMBERED) this.#remembered.clear();
      this.#remembered.set(target, result);
    }
    return result;
  }

  #route(path: string): RouteResult {
    if (!path.startsWith("/")) return OTHER;
    const segments = path.slice(1).split("/").map(decodeOnce);
    for (const { routeInference } of this.#paths) {
      const result = routeInference(segments, path, this.#protocols);
      if (result.kind !== "other") return result;
    }
    return OTHER;
  }
}

/** The path of a request's target, without the query. */
export function pathOf(target: string): string {
  let start = 0;
  if (!target.startsWith("/")) {
    const authority = /^https?:\/\/[^/?#]+/i.exec(target);
    if (authority === null) return target;
    start = authority[0].length;
  }
  const end = target.slice(start).search(/[?#]/);
  return target.slice(start, end === -1 ? undefined : start + end) || "/";
}

/** An empty text, which is no name, for what is not percent-encoded properly. */
function decodeOnce(segment: string): string {
  if (!segment.includes("%")) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return "";
  }
}
