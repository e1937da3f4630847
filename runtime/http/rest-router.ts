import type { RestRoute } from "../protocol/rest-route.ts";

/** A route, apart from what switches it on. */
export type Route = Omit<RestRoute, "protocol">;

/** What a method and a path lead to. */
export type RestMatch =
  | { readonly kind: "route"; readonly route: Route; readonly params: Readonly<Record<string, string>> }
  /** The path is there, with these methods, as the header Allow has them. */
  | { readonly kind: "method-not-allowed"; readonly allowed: readonly string[] }
  | { readonly kind: "unknown" };

interface Path {
  readonly segments: readonly string[];
  readonly routes: Map<Route["method"], Route>;
}

const UNKNOWN: RestMatch = { kind: "unknown" };
const NO_PARAMS: Readonly<Record<string, string>> = Object.freeze({});

/**
 * Finds the route of a request. Paths are compared as they are, with case and slashes; only variables are
 * percent-decoded, once. A path without variables comes before those with some, otherwise the first one counts; of equal
 * paths and methods, too.
 */
export class RestRouter {
  readonly #fixed = new Map<string, Path>();
  readonly #variable: Path[] = [];

  constructor(routes: readonly Route[]) {
    for (const [text, ofPath] of Map.groupBy(routes, ({ path }) => path)) {
      const path: Path = { segments: text.split("/"), routes: new Map() };
      for (const route of ofPath) if (!path.routes.has(route.method)) path.routes.set(route.method, route);
      if (path.segments.some(isVariable)) this.#variable.push(path);
      else this.#fixed.set(text, path);
    }
  }

  /** `path` is without the query. HEAD is answered as GET. */
  match(method: string, path: string): RestMatch {
    const fixed = this.#fixed.get(path);
    if (fixed !== undefined) return matchMethod(fixed, method, NO_PARAMS);
    const segments = path.split("/");
    for (const candidate of this.#variable) {
      const params = paramsOf(candidate.segments, segments);
      if (params !== undefined) return matchMethod(candidate, method, params);
    }
    return UNKNOWN;
  }
}

function matchMethod({ routes }: Path, method: string, params: Readonly<Record<string, string>>): RestMatch {
  const wanted = method === "HEAD" ? "GET" : method;
  const route = wanted === "GET" || wanted === "POST" ? routes.get(wanted) : undefined;
  if (route !== undefined) return { kind: "route", route, params };
  const allowed = [...(routes.has("GET") ? ["GET", "HEAD"] : []), ...(routes.has("POST") ? ["POST"] : [])];
  return { kind: "method-not-allowed", allowed };
}

function paramsOf(pattern: readonly string[], segments: readonly string[]): Record<string, string> | undefined {
  if (pattern.length !== segments.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, expected] of pattern.entries()) {
    const segment = segments[index] ?? "";
    if (!isVariable(expected)) {
      if (segment !== expected) return undefined;
      continue;
    }
    const value = decode(segment);
    if (value === undefined || value === "") return undefined;
    params[expected.slice(1)] = value;
  }
  return params;
}

function isVariable(segment: string): boolean {
  return segment.startsWith(":");
}

function decode(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}
