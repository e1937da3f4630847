import type { JsonSchema } from "../../build/generate/crd.ts";

/** How one field of a spec changes: the specs one after the other, from without the field to without it again. */
export interface Change {
  readonly path: string;
  readonly specs: readonly object[];
}

const MODEL = { modelFormat: { name: "onnx" }, storageUri: "s3://models/digits" };
const WITH_MODEL = { predictor: { model: MODEL, minReplicas: 1, maxReplicas: 4 } };
const WITH_SHORTHAND = { predictor: { onnx: { storageUri: "s3://models/digits" } } };

/** Fields that cannot be changed, or not alone. */
const NOT_ALONE: ReadonlySet<string> = new Set([
  "predictor.model.name",
  "predictor.service.nodePort",
  "predictor.service.grpcNodePort",
]);
/** Fields that a spec must have. */
const REQUIRED: ReadonlySet<string> = new Set([
  "predictor.model.modelFormat.name",
  "predictor.model.storageUri",
  "predictor.onnx.storageUri",
]);

const URIS = ["s3://models/other", "https://models.example.com/a.onnx", "pvc://claim/a", "file:///models/a"];
const AFFINITY = {
  nodeAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: {
      nodeSelectorTerms: [{ matchExpressions: [{ key: "disk", operator: "In", values: ["ssd"] }] }],
    },
  },
};
const QUANTITIES = [{ cpu: "2", memory: "2Gi" }, { cpu: 1 }, { "example.com/gpu": "1" }];

/** Values that the schema alone does not tell; some of them are refused by the API server in the objects that follow. */
const VALUES: Readonly<Record<string, readonly unknown[]>> = {
  "predictor.model.storageUri": URIS,
  "predictor.onnx.storageUri": URIS,
  "predictor.model.storage.secretRef.name": ["credentials", "x".repeat(253), "NOT A NAME"],
  "predictor.model.storage.endpoint": ["http://minio.storage:9000", "https://store.example.com/"],
  "predictor.model.storage.region": ["eu-central-1"],
  "predictor.model.storage.caBundle.configMapRef.name": ["our-ca"],
  "predictor.model.storage.caBundle.configMapRef.key": ["bundle.pem"],
  "predictor.model.storage.verify.sha256": ["0".repeat(64)],
  "predictor.model.storage.verify.publicKey": ["Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="],
  "predictor.model.versionLabels": [{ stable: 3 }, { stable: 4, canary: 5 }, {}],
  "predictor.model.warmup.requests": [['{"inputs":[]}'], ["{}", "[]"], []],
  "predictor.model.state": [[{ input: "state", output: "stateN" }], [{ input: "h", output: "hn" }], []],
  "predictor.protocols": [["v2"], ["mlflow", "v2", "predict"]],
  "predictor.model.resources.requests": QUANTITIES,
  "predictor.model.resources.limits": QUANTITIES,
  "predictor.onnx.resources.requests": QUANTITIES,
  "predictor.onnx.resources.limits": QUANTITIES,
  "predictor.resources.requests": QUANTITIES,
  "predictor.resources.limits": QUANTITIES,
  "predictor.modelCache.hostPath.path": ["/var/cache/lockstep", "/var/cache/lockstep/blue"],
  "predictor.modelCache.persistentVolumeClaim.claimName": ["cache", "NOT A NAME"],
  "predictor.modelCache.maxSize": ["1Mi", 2_000_000_000],
  "predictor.minReplicas": [2, 4, 1],
  "predictor.maxReplicas": [1, 2, 1000],
  "predictor.service.annotations": [{ "example.com/a": "b" }, { "example.com/a": "c", "example.com/d": "" }],
  "predictor.monitoring.feedback.output": ["label", "probabilities"],
  "predictor.logger.url": ["http://events.logging", "https://events.example.com/lockstep"],
  "predictor.logger.storageUri": ["s3://logs/digits", "file:///logs"],
  "predictor.logger.redact": [["input"], ["input", "label"], []],
  "predictor.logger.maxQueueSize": ["1Mi", 1_000_000],
  "predictor.env": [[{ name: "A", value: "1" }], [{ name: "B", value: "" }, { name: "A" }], []],
  "predictor.nodeSelector": [{ disk: "ssd" }, { "not a key": "a" }, { zone: "a" }],
  "predictor.tolerations": [[{ operator: "Exists" }], [{ key: "a", value: "b", effect: "NoExecute" }], []],
  "predictor.affinity": [AFFINITY, { nodeAffinity: { surprise: true } }, {}],
  "predictor.topologySpreadConstraints": [
    [{ maxSkew: 1, topologyKey: "kubernetes.io/hostname", whenUnsatisfiable: "DoNotSchedule", minDomains: 2 }],
    [{ maxSkew: 2, topologyKey: "zone", whenUnsatisfiable: "ScheduleAnyway" }],
    [],
  ],
  "predictor.imagePullSecrets": [[{ name: "a" }], [{ name: "b" }, { name: "a" }], []],
  "predictor.priorityClassName": ["system-cluster-critical", "missing"],
  "predictor.runtimeClassName": ["gvisor", "NOT A NAME"],
  "predictor.serviceAccountName": ["robot", "NOT A NAME"],
  "predictor.labels": [{ team: "a" }, { "not a key": "a" }],
  "predictor.annotations": [{ "example.com/a": "b" }, { "a b": "c" }],
};

/** All changes of single fields that a schema of a spec allows. Throws where it needs to be told values of a field. */
export function changesOf(spec: JsonSchema): Change[] {
  return [...leaves(spec, "")].flatMap(({ path, schema }) => {
    if (NOT_ALONE.has(path)) return [];
    const base = path.startsWith("predictor.onnx.") ? WITH_SHORTHAND : WITH_MODEL;
    const specs = valuesOf(path, schema).map((value) => withValue(base, path.split("."), value));
    return [{ path, specs: [base, ...specs, ...(REQUIRED.has(path) ? [] : [base])] }];
  });
}

/** Fields that have values of their own; lists and maps are one field each. */
function* leaves(schema: JsonSchema, path: string): Generator<{ path: string; schema: JsonSchema }> {
  const properties = Object.entries(schema.properties ?? {});
  if (properties.length === 0) yield { path, schema };
  for (const [name, child] of properties) yield* leaves(child, path === "" ? name : `${path}.${name}`);
}

function valuesOf(path: string, schema: JsonSchema): readonly unknown[] {
  const given = VALUES[path];
  if (given !== undefined) return given;
  if (schema.enum !== undefined) return schema.enum;
  if (schema.type === "boolean") return [true, false];
  if (schema.type === "integer") return [schema.minimum ?? 0, (schema.minimum ?? 0) + 7, schema.maximum ?? 1_000_000];
  if (schema.type === "number") return [schema.minimum ?? 0, ((schema.minimum ?? 0) + (schema.maximum ?? 1)) / 2];
  if (schema.type === "object") return [{}];
  if (path.endsWith(".policies"))
    return [[{ type: "Pods", value: 1, periodSeconds: 1800 }], [{ type: "Percent", value: 900, periodSeconds: 1 }]];
  if (path.endsWith(".versions")) return [[0], [3, 2, 9_007_199_254_740_991]];
  throw new Error(`expected values of ${path} in the table of schema-changes.ts`);
}

function withValue(base: object, path: readonly string[], value: unknown): object {
  const [name = "", ...rest] = path;
  const inner = (base as Readonly<Record<string, unknown>>)[name];
  const child =
    rest.length === 0 ? value : withValue(typeof inner === "object" && inner !== null ? inner : {}, rest, value);
  // What a field inside cannot do without.
  const companions = companionsOf(name, rest[0]);
  return { ...base, [name]: rest.length === 0 ? child : { ...companions, ...(child as object) } };
}

/** What must be there for a field to be taken. */
function companionsOf(name: string, field: string | undefined): object {
  if (name === "configMapRef" && field === "key") return { name: "our-ca" };
  if (name === "modelCache" && field === "maxSize") return { persistentVolumeClaim: { claimName: "cache" } };
  if (name === "logger" && field !== "url" && field !== "storageUri") return { url: "http://events.logging" };
  if (name === "predictor" && field === "scaleTarget") return { scaleMetric: "concurrency" };
  if (name === "predictor" && field === "scaleMetric") return { scaleTarget: 70 };
  return {};
}
