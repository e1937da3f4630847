import path from "node:path";

/** The rules of CONTRIBUTING.md: which room may enter which, and where each package is let in. */

/** A source file, by its path from the project's root, with `/`. */
export interface SourceFile {
  readonly file: string;
  readonly text: string;
}

/** An import of a file. */
interface Import {
  readonly specifier: string;
  /** `import type`: nothing of it is left when the program runs. */
  readonly isType: boolean;
}

/** Rooms of each side, and the other rooms that they may enter. */
const SIDES: Readonly<Record<string, readonly string[]>> = {
  common: ["common"],
  operator: ["operator", "common"],
  runtime: ["runtime", "common"],
  cli: ["cli", "runtime", "common"],
};

/** What every side may read: it has the release. */
const FOR_ALL = "package.json";

/** Rooms without I/O, clock and randomness. They enter only each other, common, and the side's tables. */
const PURE: readonly string[] = [
  "common/drift",
  "operator/api",
  "operator/console/action.ts",
  "operator/console/console-views.ts",
  "operator/console/drift-view.ts",
  "operator/console/quantiles.ts",
  "operator/console/replica-view.ts",
  "operator/console/service-view.ts",
  "operator/console/timeline.ts",
  "operator/console/traffic-view.ts",
  "operator/desired",
  "operator/load/load-history.ts",
  "operator/load/load-source.ts",
  "operator/load/scale-metric-table.ts",
  "operator/load/scale-metrics.ts",
  "operator/monitoring/drift-report.ts",
  "operator/monitoring/drift-verdict.ts",
  "operator/monitoring/drift-window.ts",
  "operator/monitoring/monitoring-samples.ts",
  "operator/monitoring/monitoring-source.ts",
  "operator/monitoring/relearning.ts",
  "operator/monitoring/service-record.ts",
  "operator/monitoring/service-watch.ts",
  "operator/monitoring/traffic-history.ts",
  "operator/monitoring/version-sums.ts",
  "operator/observed",
  "operator/rollout",
  "operator/sleep",
  "runtime/core",
  "runtime/protocol/json",
  "runtime/batching",
  "runtime/traffic",
];
const PURE_MAY_ENTER: readonly string[] = [
  ...PURE,
  "common",
  "operator/config.ts",
  "operator/load/load-source.ts",
  "operator/monitoring/monitoring-source.ts",
  "runtime/errors.ts",
];
/** They compute, and nothing else. */
const PURE_BUILT_INS: ReadonlySet<string> = new Set(["node:crypto", "node:buffer"]);

/** Rooms with a narrower view than their side's. */
const NARROW: Readonly<Record<string, readonly string[]>> = {
  // Knows no kind of object.
  "operator/controller": ["operator/controller", "common/logger.ts", "common/longest-timer.ts"],
  // Runs in browsers.
  "runtime/ui/page": ["runtime/ui/page", "common/sample-tensors.ts"],
};

/** Rooms that others keep out of. */
const NEVER: readonly (readonly [from: string, to: string])[] = [
  ["runtime/engine", "runtime/http"],
  ["runtime/storage", "runtime/http"],
  ["runtime/core", "runtime/http"],
  ["runtime/http", "runtime/grpc"],
  ["runtime/grpc", "runtime/http"],
  ["runtime/protocol", "runtime/http"],
  ["runtime/protocol", "runtime/grpc"],
  ["runtime/serving", "runtime/http"],
  ["runtime/serving", "runtime/grpc"],
];

/** Where each package, and each built-in module that opens a door, may be imported. Types are free. */
export const DOORS: Readonly<Record<string, readonly string[]>> = {
  "@kubernetes/client-node": ["operator/kube"],
  express: ["runtime/admin", "operator/server.ts", "operator/console"],
  "node:http": ["runtime/http", "runtime/admin", "operator/server.ts", "operator/console"],
  "node:https": ["operator/kube", "operator/metrics-api"],
  "@peculiar/asn1-schema": ["operator/metrics-api"],
  "@peculiar/asn1-x509": ["operator/metrics-api"],
  "node:http2": ["runtime/grpc"],
  undici: ["operator/kube", "operator/replicas", "runtime/storage", "runtime/monitoring/payload"],
  "onnxruntime-node": ["runtime/engine"],
  "node:worker_threads": ["runtime/engine", "runtime/monitoring/payload"],
  "@aws-sdk/client-s3": ["runtime/storage"],
  "@opentelemetry/api": ["runtime/monitoring/tracing"],
  "@opentelemetry/exporter-trace-otlp-http": ["runtime/monitoring/tracing"],
  "@opentelemetry/resources": ["runtime/monitoring/tracing"],
  "@opentelemetry/sdk-trace-base": ["runtime/monitoring/tracing"],
  hyparquet: ["cli"],
  "hyparquet-writer": ["runtime/monitoring/payload"],
  preact: ["operator/console/page", "runtime/ui/page"],
  "prom-client": ["operator/metrics.ts"],
  pino: ["common/logger.ts"],
  zod: ["common", "operator", "runtime", "cli"],
  ajv: ["cli"],
  "js-yaml": ["cli", "runtime/storage/mlflow-model.ts"],
  commander: ["cli"],
  "node:child_process": ["cli"],
};

/** All that breaks a rule, a line each. `dependencies` are the packages that package.json installs for production. */
export function importViolations(files: readonly SourceFile[], dependencies: readonly string[]): string[] {
  return files.flatMap(({ file, text }) =>
    importsOf(text).flatMap((each) => {
      const broken = each.specifier.startsWith(".")
        ? brokenByRoom(file, path.posix.join(path.posix.dirname(file), each.specifier))
        : brokenByPackage(file, each, dependencies);
      return broken === undefined ? [] : [`${file} imports ${each.specifier}: ${broken}`];
    }),
  );
}

/** The import lines of a source text, `export ... from` and `import(...)` included. */
export function importsOf(text: string): Import[] {
  const lines = text.matchAll(/^(?:import|export)\s+(type\s+)?(?:[^"';]*?\sfrom\s+|)["']([^"']+)["']/gm);
  const calls = text.matchAll(/\bimport\(\s*["']([^"']+)["']/g);
  return [
    ...[...lines].map(([, type, specifier = ""]) => ({ specifier, isType: type !== undefined })),
    ...[...calls].map(([, specifier = ""]) => ({ specifier, isType: false })),
  ];
}

function brokenByRoom(file: string, target: string): string | undefined {
  if (target === FOR_ALL) return undefined;
  const side = file.split("/")[0] ?? "";
  const sides = SIDES[side] ?? [];
  if (!isIn(target, sides)) return `${side} may only enter ${sides.join(", ")}`;
  if (path.posix.basename(target) === "main.ts") return "main.ts composes, and nobody imports it";
  const narrow = Object.entries(NARROW).find(([room]) => isIn(file, [room]));
  if (narrow !== undefined && !isIn(target, narrow[1])) return `${narrow[0]} may only enter ${narrow[1].join(", ")}`;
  const never = NEVER.find(([from, to]) => isIn(file, [from]) && isIn(target, [to]));
  if (never !== undefined) return `${never[0]} keeps out of ${never[1]}`;
  if (isIn(file, PURE) && !isIn(target, PURE_MAY_ENTER)) return "a room without I/O enters only its like, and common";
  return undefined;
}

function brokenByPackage(file: string, { specifier, isType }: Import, dependencies: readonly string[]) {
  const name = specifier.startsWith("node:") ? specifier : packageOf(specifier);
  const doors = DOORS[name];
  if (!name.startsWith("node:") && !dependencies.includes(name)) return "package.json has no such dependency";
  if (isType) return undefined;
  if (isIn(file, PURE) && name.startsWith("node:") && !PURE_BUILT_INS.has(name))
    return "a room without I/O imports no module that does some";
  if (doors === undefined) return name.startsWith("node:") ? undefined : "the table of packages does not have it";
  return isIn(file, doors) ? undefined : `only ${doors.join(", ") || "nobody"} may`;
}

/** `@scope/name/part` is `@scope/name`. */
function packageOf(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

/** Whether a path is one of the files, or in one of the folders. */
function isIn(file: string, places: readonly string[]): boolean {
  return places.some((place) => file === place || file.startsWith(`${place}/`));
}
