/** What the API server must take and refuse, as tables: one line of words, the predictor, and what is expected. */

type Json = Readonly<Record<string, unknown>>;

/** A predictor with a model, in which some fields of the model or of the predictor are others. */
export function predictor(model: Json = {}, others: Json = {}): Json {
  return { model: { modelFormat: { name: "onnx" }, storageUri: "s3://models/digits", ...model }, ...others };
}

const onnx = (storageUri: string) => ({ onnx: { storageUri } });
const limits = { cpu: "1", memory: "1Gi" };

/** The API server takes these. */
export const VALID: readonly (readonly [words: string, spec: Json])[] = [
  ["a model", { predictor: predictor() }],
  ["KServe: onnx shorthand", { predictor: onnx("s3://kfserving-examples/models/onnx") }],
  ["KServe: protocolVersion v2", { predictor: predictor({ protocolVersion: "v2" }) }],
  [
    "KServe: private bucket and scaling",
    { predictor: predictor({}, { serviceAccountName: "aws-s3", minReplicas: 2, maxReplicas: 4, timeout: 10 }) },
  ],
  [
    "KServe: resources inside the model, scaling by CPU",
    {
      predictor: predictor(
        { resources: { requests: { cpu: "100m", memory: "256Mi" }, limits } },
        { minReplicas: 1, maxReplicas: 10, scaleMetric: "cpu", scaleTarget: 80 },
      ),
    },
  ],
  ["KServe: pvc", { predictor: predictor({ storageUri: "pvc://task-pv-claim/models/onnx" }) }],
  ["a single file over https", { predictor: onnx("https://example.com/a/model.onnx") }],
  ["a single file over http", { predictor: onnx("http://10.0.0.7:8000/model.onnx") }],
  ["a query string over https", { predictor: onnx("https://example.com/model.onnx?download=true") }],
  ["an absolute path", { predictor: onnx("file:///mnt/models/digits") }],
  ["a bucket without a path", { predictor: onnx("s3://models") }],
  ["a bucket with a slash", { predictor: onnx("s3://models/") }],
  ["dots inside a name", { predictor: onnx("s3://models/v1.2..3/...hidden") }],
  ["an escaped blank", { predictor: onnx("s3://models/a%20b") }],
  ["letters beyond ASCII", { predictor: onnx("s3://models/données/模型") }],
  ["stopped", { stop: true, predictor: predictor() }],
  [
    "a cache in a claim",
    { predictor: predictor({}, { modelCache: { persistentVolumeClaim: { claimName: "cache" } } }) },
  ],
  [
    "a cache in a folder of the node",
    { predictor: predictor({}, { modelCache: { hostPath: { path: "/var/cache/lockstep/a.b" }, maxSize: "1.5Ti" } }) },
  ],
  ["a model's name with capitals and dots", { predictor: predictor({ name: "ResNet-50_v2.onnx" }) }],
  [
    "an S3-compatible server",
    {
      predictor: predictor({
        storage: {
          endpoint: "http://minio.storage:9000",
          region: "eu-west-1",
          forcePathStyle: true,
          secretRef: { name: "s3" },
          caBundle: { configMapRef: { name: "ca", key: "bundle.pem" } },
        },
      }),
    },
  ],
  [
    "Google Cloud Storage",
    { predictor: predictor({ storageUri: "gs://models/digits", storage: { secretRef: { name: "gs" } } }) },
  ],
  [
    "Google Cloud Storage elsewhere",
    { predictor: predictor({ storageUri: "gs://m/d", storage: { endpoint: "http://gcs" } }) },
  ],
  [
    "Azure Blob Storage",
    { predictor: predictor({ storageUri: "azblob://acme/models/digits", storage: { secretRef: { name: "az" } } }) },
  ],
  ["a repository of Hugging Face", { predictor: onnx("hf://onnx-community/digits@main/onnx/model.onnx") }],
  ...["digits", "digits/3", "digits@champion", "my%20model@champion"].map(
    (place) =>
      [
        `a model of MLflow's registry: ${place}`,
        { predictor: predictor({ storageUri: `mlflow://${place}`, storage: { endpoint: "http://mlflow:5000" } }) },
      ] as const,
  ),
  ["an artifact by tag", { predictor: onnx("oci://registry.example.com:5000/models/digits:v3") }],
  ["an artifact by digest", { predictor: onnx(`oci://registry.example.com/digits@sha256:${"0".repeat(64)}`) }],
  ["a repository", { predictor: onnx("oci://registry.example.com/models/digits") }],
  ["a container of Azure", { predictor: onnx("azblob://acme/models") }],
  ["a public bucket", { predictor: predictor({ storage: { anonymous: true } }) }],
  ["a digest", { predictor: predictor({ storage: { verify: { sha256: "0".repeat(64) } } }) }],
  ...[
    [
      "PEM",
      "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n",
    ],
    ["base64", "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="],
    ["base64 of its bytes alone", "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="],
  ].map(
    ([form, publicKey]) =>
      [`a key for signatures, in ${form}`, { predictor: predictor({ storage: { verify: { publicKey } } }) }] as const,
  ),
  [
    "a digest and one version",
    {
      predictor: predictor({
        storage: { verify: { sha256: "a".repeat(64) } },
        versionPolicy: { specific: { versions: [3] } },
      }),
    },
  ],
  ["the newest two versions", { predictor: predictor({ versionPolicy: { latest: { count: 2 } } }) }],
  ["the newest version, by default", { predictor: predictor({ versionPolicy: { latest: {} } }) }],
  [
    "the largest version that a double can hold",
    { predictor: predictor({ versionPolicy: { specific: { versions: [0, 9007199254740991] } } }) },
  ],
  ["all versions", { predictor: predictor({ versionPolicy: { all: {} } }) }],
  ["KServe: protocolVersion v1", { predictor: predictor({ protocolVersion: "v1" }) }],
  ["KServe: a batcher", { predictor: predictor({}, { batcher: { maxBatchSize: 16, maxLatency: 50 } }) }],
  [
    "a model with state, labels, requests for warm-up, its place and its protocols",
    {
      predictor: predictor(
        {
          versionPolicy: { specific: { versions: [3, 4] } },
          versionLabels: { stable: 3, canary: 4 },
          warmup: { requests: ['{"inputs":[]}'] },
          state: [{ input: "state", output: "stateN" }],
          sequences: { idleTimeoutSeconds: 5, maxCount: 100 },
        },
        {
          concurrency: { instances: 2, intraOpThreads: 1, placement: "Worker" },
          protocols: ["v2", "tensorflow-serving"],
        },
      ),
    },
  ],
  [
    "both node ports",
    { predictor: predictor({}, { service: { type: "NodePort", nodePort: 30080, grpcNodePort: 30090 } }) },
  ],
  ["no warm-up", { predictor: predictor({ warmup: { iterations: 0 } }) }],
  ["as many as at most", { predictor: predictor({}, { minReplicas: 3, maxReplicas: 3 }) }],
  [
    "rules for the autoscaler",
    {
      predictor: predictor(
        {},
        {
          maxReplicas: 5,
          scaling: {
            behavior: {
              scaleUp: { policies: [{ type: "Percent", value: 100, periodSeconds: 15 }], selectPolicy: "Max" },
              scaleDown: { stabilizationWindowSeconds: 0 },
            },
          },
        },
      ),
    },
  ],
  ["scaling on requests in flight", { predictor: predictor({}, { maxReplicas: 5, scaleMetric: "concurrency" }) }],
  [
    "scaling on requests per second",
    { predictor: predictor({}, { maxReplicas: 5, scaleMetric: "rps", scaleTarget: 2_500 }) },
  ],
  [
    "scaling on the queue, with a target",
    { predictor: predictor({}, { maxReplicas: 5, scaleMetric: "queueTime", scaleTarget: 5 }) },
  ],
  ["scaling on whatever is best", { predictor: predictor({}, { maxReplicas: 5 }) }],
  ["quantities as numbers and texts", { predictor: predictor({}, { resources: { requests: { cpu: 1 }, limits } }) }],
  ["requests without limits", { predictor: predictor({}, { resources: { requests: { memory: "1e9" } } }) }],
  ["a node port", { predictor: predictor({}, { service: { type: "NodePort", nodePort: 30080 } }) }],
  [
    "a load balancer",
    {
      predictor: predictor({}, { service: { type: "LoadBalancer", annotations: { "example.com/internal": "true" } } }),
    },
  ],
  [
    "every knob of the pods",
    {
      predictor: predictor(
        {},
        {
          monitoring: { drift: { referenceRows: 500, threshold: 0.2 }, feedback: { output: "label" } },
          logger: {
            url: "http://events",
            storageUri: "s3://logs",
            format: "Parquet",
            redact: ["input"],
            maxQueueSize: "8Mi",
          },
          env: [
            { name: "HTTPS_PROXY", value: "http://proxy:3128" },
            { name: "EMPTY" },
            { name: "LOCKSTEP_ACCESS_LOG_PERCENT", value: "1" },
          ],
          nodeSelector: { disk: "ssd" },
          tolerations: [{ key: "gpu", operator: "Exists", effect: "NoExecute", tolerationSeconds: 60 }],
          affinity: { podAntiAffinity: {} },
          topologySpreadConstraints: [{ maxSkew: 1, topologyKey: "zone", whenUnsatisfiable: "DoNotSchedule" }],
          imagePullSecrets: [{ name: "registry" }],
          priorityClassName: "high",
          runtimeClassName: "gvisor",
          serviceAccountName: "reader",
          labels: { team: "a" },
          annotations: { note: "b" },
          terminationGracePeriodSeconds: 60,
        },
      ),
    },
  ],
];

interface Refusal {
  /** Path of the field below spec. */
  readonly field: string;
  /** What the message must say. */
  readonly says: string;
}

const refused = (field: string, says: string): Refusal => ({ field, says });
const uri = (says: string) => refused("predictor.onnx.storageUri", says);
const SCHEME =
  "storageUri must start with s3://, gs://, azblob://, oci://, hf://, mlflow://, https://, http://, pvc:// or file://";
const PLACE = "storageUri needs a bucket, host or claim after '://'";
const PLAIN = "storageUri must be a plain path";

/** The API server refuses these, and says what to do. */
export const INVALID: readonly (readonly [words: string, spec: Json, refusal: Refusal])[] = [
  ["no predictor", {}, refused("predictor", "Required value")],
  ["no model", { predictor: {} }, refused("predictor", "set exactly one of predictor.model and its shorthand")],
  [
    "model and shorthand",
    { predictor: predictor({}, onnx("s3://a")) },
    refused("predictor", "set exactly one of predictor.model and its shorthand"),
  ],
  [
    "no modelFormat",
    { predictor: { model: { storageUri: "s3://a" } } },
    refused("predictor.model.modelFormat", "Required value"),
  ],
  [
    "no storageUri",
    { predictor: { model: { modelFormat: { name: "onnx" } } } },
    refused("predictor.model.storageUri", "Required value"),
  ],
  [
    "a format that is not served",
    { predictor: predictor({ modelFormat: { name: "sklearn" } }) },
    refused("predictor.model.modelFormat.name", 'supported values: "onnx"'),
  ],
  [
    "a protocol that is not served",
    { predictor: predictor({ protocolVersion: "v3" }) },
    refused("predictor.model.protocolVersion", 'supported values: "v1", "v2", "grpc-v2"'),
  ],
  [
    "a protocol that nobody knows",
    { predictor: predictor({}, { protocols: ["v2", "soap"] }) },
    refused("predictor.protocols[1]", "supported values:"),
  ],
  [
    "a protocol twice",
    { predictor: predictor({}, { protocols: ["v2", "v2"] }) },
    refused("predictor.protocols[1]", "Duplicate value"),
  ],
  ["no protocol", { predictor: predictor({}, { protocols: [] }) }, refused("predictor.protocols", "at least 1 items")],
  [
    "a label for a version that is not served",
    { predictor: predictor({ versionPolicy: { specific: { versions: [3] } }, versionLabels: { canary: 4 } }) },
    refused("predictor.model.versionLabels", "versionLabels may only name versions that versionPolicy.specific serves"),
  ],
  [
    "a label with a blank",
    { predictor: predictor({ versionLabels: { "my canary": 4 } }) },
    refused("predictor.model.versionLabels", "labels of versions are 1 to 63 letters, digits and '_'"),
  ],
  [
    "a state that two outputs become",
    {
      predictor: predictor({
        state: [
          { input: "s", output: "a" },
          { input: "s", output: "b" },
        ],
      }),
    },
    refused("predictor.model.state[1]", "Duplicate value"),
  ],
  [
    "a batch of nothing",
    { predictor: predictor({}, { batcher: { maxBatchSize: 0 } }) },
    refused("predictor.batcher.maxBatchSize", "greater than or equal to 1"),
  ],
  [
    "a place that is none",
    { predictor: predictor({}, { concurrency: { placement: "Gpu" } }) },
    refused("predictor.concurrency.placement", "supported values:"),
  ],
  ["no scheme", { predictor: onnx("models/digits") }, uri(SCHEME)],
  ["a scheme that is not served", { predictor: onnx("ftp://host/model") }, uri(SCHEME)],
  ["a scheme in capitals", { predictor: onnx("S3://models/digits") }, uri(SCHEME)],
  ["a blank before the scheme", { predictor: onnx(" s3://models/digits") }, uri(SCHEME)],
  ["nothing after the scheme", { predictor: onnx("s3://") }, uri(PLACE)],
  ["no repository of Hugging Face", { predictor: onnx("hf://digits") }, uri(PLACE)],
  [
    "a model of MLflow's registry without its server",
    { predictor: predictor({ storageUri: "mlflow://digits" }) },
    refused("predictor.model.storageUri", "needs the address of MLflow's tracking server in storage.endpoint"),
  ],
  ["a password in place of an alias", { predictor: onnx("mlflow://user:secret@host") }, uri(PLACE)],
  ["no repository", { predictor: onnx("oci://registry.example.com") }, uri(PLACE)],
  ["no container of Azure", { predictor: onnx("azblob://acme") }, uri(PLACE)],
  ["an empty container of Azure", { predictor: onnx("azblob://acme//digits") }, uri(PLACE)],
  ["no bucket of Google's", { predictor: onnx("gs:///digits") }, uri(PLACE)],
  ["no bucket", { predictor: onnx("s3:///digits") }, uri(PLACE)],
  ["a password", { predictor: onnx("https://user:secret@example.com/model.onnx") }, uri(PLACE)],
  ["a query instead of a host", { predictor: onnx("https://?a=b") }, uri(PLACE)],
  ["no path", { predictor: onnx("file://") }, uri(PLACE)],
  ["a host in a file's address", { predictor: onnx("file://host/model") }, uri(PLACE)],
  ["..", { predictor: onnx("s3://models/../secrets") }, uri(PLAIN)],
  [".. at the end", { predictor: onnx("file:///mnt/models/..") }, uri(PLAIN)],
  [".", { predictor: onnx("pvc://claim/./model") }, uri(PLAIN)],
  ["an escaped dot", { predictor: onnx("s3://models/%2E%2e/secrets") }, uri(PLAIN)],
  ["an escaped slash", { predictor: onnx("s3://models/a%2Fb") }, uri(PLAIN)],
  ["an escaped backslash", { predictor: onnx("s3://models/a%5cb") }, uri(PLAIN)],
  ["an escaped zero byte", { predictor: onnx("s3://models/a%00") }, uri(PLAIN)],
  ["a backslash", { predictor: onnx("s3://models\\..\\secrets") }, uri(PLAIN)],
  ["a blank", { predictor: onnx("s3://models/a b") }, uri(PLAIN)],
  ["a line break", { predictor: onnx("s3://models/a\nb") }, uri(PLAIN)],
  ["a zero byte", { predictor: onnx("s3://models/a\u0000b") }, uri(PLAIN)],
  ["a delete character", { predictor: onnx("s3://models/a\u007fb") }, uri(PLAIN)],
  ["a long address", { predictor: onnx(`s3://${"a".repeat(1020)}`) }, uri("may not be more than 1024")],
  [
    "a hostile address in a model",
    { predictor: predictor({ storageUri: "s3://models/../secrets" }) },
    refused("predictor.model.storageUri", PLAIN),
  ],
  [
    "a model's name with a slash",
    { predictor: predictor({ name: "a/b" }) },
    refused("predictor.model.name", "should match"),
  ],
  [
    "a long model's name",
    { predictor: predictor({ name: "a".repeat(64) }) },
    refused("predictor.model.name", "may not be more than 63"),
  ],
  [
    "an endpoint for what has none",
    { predictor: predictor({ storageUri: "pvc://claim/m", storage: { endpoint: "http://minio:9000" } }) },
    refused(
      "predictor.model.storage",
      "storage.endpoint is the address of a storage's server: it needs a storageUri that starts with s3://, gs://, azblob://, oci://, hf:// or mlflow://",
    ),
  ],
  [
    "an endpoint with a path",
    { predictor: predictor({ storage: { endpoint: "http://minio:9000/bucket" } }) },
    refused("predictor.model.storage.endpoint", "should match"),
  ],
  [
    "an endpoint with a password",
    { predictor: predictor({ storage: { endpoint: "http://a:b@minio:9000" } }) },
    refused("predictor.model.storage.endpoint", "should match"),
  ],
  [
    "a digest that is none",
    { predictor: predictor({ storage: { verify: { sha256: "ABC" } } }) },
    refused("predictor.model.storage.verify.sha256", "should match"),
  ],
  ...[
    ["nothing", ""],
    ["something else", "trust me"],
    ["a private one", "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n"],
    ["one for RSA", "-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAK==\n-----END PUBLIC KEY-----\n"],
    ["two of them", "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="],
  ].map(
    ([words, publicKey]) =>
      [
        `a key for signatures that is ${words}`,
        { predictor: predictor({ storage: { verify: { publicKey } } }) },
        refused("predictor.model.storage.verify.publicKey", "should match"),
      ] as const,
  ),
  ...["https://models.example.com/a.onnx", "s3://models/digits/1/model.onnx"].map(
    (storageUri) =>
      [
        `a key for signatures with a single file: ${storageUri}`,
        {
          predictor: predictor({
            storageUri,
            storage: { verify: { publicKey: "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=" } },
          }),
        },
        refused("predictor.model.storage", "checked against the manifest in a version's folder"),
      ] as const,
  ),
  ...[{ all: {} }, { latest: { count: 2 } }, { specific: { versions: [1, 2] } }].map(
    (versionPolicy) =>
      [
        `one digest for several versions: ${Object.keys(versionPolicy)[0]}`,
        { predictor: predictor({ versionPolicy, storage: { verify: { sha256: "0".repeat(64) } } }) },
        refused("predictor.model.storage", "storage.verify.sha256 is the digest of one file"),
      ] as const,
  ),
  [
    "two version policies",
    { predictor: predictor({ versionPolicy: { all: {}, latest: { count: 1 } } }) },
    refused("predictor.model.versionPolicy", "set at most one of versionPolicy.latest"),
  ],
  [
    "no version",
    { predictor: predictor({ versionPolicy: { specific: { versions: [] } } }) },
    refused("predictor.model.versionPolicy.specific.versions", "should have at least 1"),
  ],
  [
    "a version twice",
    { predictor: predictor({ versionPolicy: { specific: { versions: [1, 1] } } }) },
    refused("predictor.model.versionPolicy.specific.versions[1]", "Duplicate value"),
  ],
  [
    "a negative version",
    { predictor: predictor({ versionPolicy: { specific: { versions: [-1] } } }) },
    refused("predictor.model.versionPolicy.specific.versions[0]", "greater than or equal to 0"),
  ],
  [
    "seventeen versions",
    { predictor: predictor({ versionPolicy: { specific: { versions: Array.from({ length: 17 }, (_, i) => i) } } }) },
    refused("predictor.model.versionPolicy.specific.versions", "must have at most 16"),
  ],
  [
    "a cache nowhere",
    { predictor: predictor({}, { modelCache: {} }) },
    refused("predictor.modelCache", "set exactly one of modelCache.hostPath and modelCache.persistentVolumeClaim"),
  ],
  [
    "a cache in two places",
    {
      predictor: predictor(
        {},
        { modelCache: { hostPath: { path: "/a" }, persistentVolumeClaim: { claimName: "cache" } } },
      ),
    },
    refused("predictor.modelCache", "set exactly one of modelCache.hostPath and modelCache.persistentVolumeClaim"),
  ],
  ...["", "cache", "/", "/a/", "/a//b", "/a/../etc", "/a/.", "/..", "/a\n"].map(
    (path) =>
      [
        `a cache in ${JSON.stringify(path)}`,
        { predictor: predictor({}, { modelCache: { hostPath: { path } } }) },
        refused("predictor.modelCache.hostPath.path", "must be an absolute path"),
      ] as const,
  ),
  ...["0", "1M", "500m"].map(
    (maxSize) =>
      [
        `a cache of ${maxSize}`,
        { predictor: predictor({}, { modelCache: { persistentVolumeClaim: { claimName: "cache" }, maxSize } }) },
        refused("predictor.modelCache.maxSize", "modelCache.maxSize must be at least 1Mi"),
      ] as const,
  ),
  [
    "a cache of a size that is none",
    { predictor: predictor({}, { modelCache: { persistentVolumeClaim: { claimName: "cache" }, maxSize: "much" } }) },
    refused("predictor.modelCache.maxSize", "should match"),
  ],
  [
    "fewer replicas than none",
    { predictor: predictor({}, { minReplicas: -1 }) },
    refused("predictor.minReplicas", "greater than or equal to 0"),
  ],
  [
    "an idle timeout that would put it to sleep between two requests",
    { predictor: predictor({}, { minReplicas: 0, scaling: { idleTimeout: 4 } }) },
    refused("predictor.scaling.idleTimeout", "greater than or equal to 5"),
  ],
  [
    "too many replicas",
    { predictor: predictor({}, { minReplicas: 1001 }) },
    refused("predictor.minReplicas", "less than or equal to 1000"),
  ],
  [
    "fewer at most than at least",
    { predictor: predictor({}, { minReplicas: 5, maxReplicas: 2 }) },
    refused("predictor.maxReplicas", "maxReplicas must not be below minReplicas"),
  ],
  [
    "no request may take any time",
    { predictor: predictor({}, { timeout: 0 }) },
    refused("predictor.timeout", "greater than or equal to 1"),
  ],
  [
    "a metric that does not exist",
    { predictor: predictor({}, { scaleMetric: "latency" }) },
    refused("predictor.scaleMetric", 'supported values: "concurrency", "rps", "queueTime", "cpu", "memory"'),
  ],
  [
    "a target of nothing in particular",
    { predictor: predictor({}, { maxReplicas: 3, scaleTarget: 70 }) },
    refused("predictor.scaleMetric", "scaleTarget is a target of scaleMetric"),
  ],
  [
    "requests per second without a number",
    { predictor: predictor({}, { maxReplicas: 3, scaleMetric: "rps" }) },
    refused("predictor.scaleTarget", "scaleMetric rps needs a scaleTarget"),
  ],
  [
    "more than ten times what is requested",
    { predictor: predictor({}, { maxReplicas: 3, scaleMetric: "memory", scaleTarget: 1001 }) },
    refused("predictor.scaleTarget", "at most 1000"),
  ],
  [
    "a target of 0",
    { predictor: predictor({}, { maxReplicas: 3, scaleMetric: "concurrency", scaleTarget: 0 }) },
    refused("predictor.scaleTarget", "greater than or equal to 1"),
  ],
  [
    "resources in two places",
    { predictor: predictor({ resources: { limits } }, { resources: { limits } }) },
    refused("predictor.resources", "set resources in one place"),
  ],
  [
    "resources in two places, with the shorthand",
    { predictor: { onnx: { storageUri: "s3://a", resources: { limits } }, resources: { limits } } },
    refused("predictor.resources", "set resources in one place"),
  ],
  [
    "more requested than allowed",
    { predictor: predictor({}, { resources: { requests: { memory: "2Gi" }, limits } }) },
    refused("predictor.resources", "each of resources.requests must not exceed its resources.limits"),
  ],
  [
    "more requested than allowed, inside the model",
    { predictor: predictor({ resources: { requests: { cpu: 2 }, limits } }) },
    refused("predictor.model.resources", "each of resources.requests must not exceed its resources.limits"),
  ],
  [
    "a quantity that is none",
    { predictor: predictor({}, { resources: { limits: { memory: "1 GB" } } }) },
    refused("predictor.resources.limits.memory", "should match"),
  ],
  [
    "a negative quantity",
    { predictor: predictor({}, { resources: { limits: { cpu: "-1" } } }) },
    refused("predictor.resources.limits.cpu", "should match"),
  ],
  [
    "a node port without one's type",
    { predictor: predictor({}, { service: { nodePort: 30080 } }) },
    refused(
      "predictor.service",
      "service.nodePort and service.grpcNodePort need service.type: NodePort or LoadBalancer",
    ),
  ],
  [
    "payloads that are logged nowhere",
    { predictor: predictor({}, { logger: { percent: 10 } }) },
    refused("predictor.logger", "set logger.url, logger.storageUri, or both"),
  ],
  [
    "payloads that are logged where nothing can be written",
    { predictor: predictor({}, { logger: { storageUri: "hf://org/repository" } }) },
    refused("predictor.logger.storageUri", "should match"),
  ],
  [
    "a reference of too few rows",
    { predictor: predictor({}, { monitoring: { drift: { referenceRows: 10 } } }) },
    refused("predictor.monitoring.drift.referenceRows", "greater than or equal to 100"),
  ],
  [
    "a variable of the operator",
    { predictor: predictor({}, { env: [{ name: "LOCKSTEP_CONFIG", value: "/etc/passwd" }] }) },
    refused("predictor.env[0].name", "most LOCKSTEP_ variables, and NODE_OPTIONS, are set by the operator"),
  ],
  [
    "options of node",
    { predictor: predictor({}, { env: [{ name: "NODE_OPTIONS", value: "--require=/tmp/a.js" }] }) },
    refused("predictor.env[0].name", "most LOCKSTEP_ variables, and NODE_OPTIONS, are set by the operator"),
  ],
  [
    "a variable twice",
    { predictor: predictor({}, { env: [{ name: "A" }, { name: "A" }] }) },
    refused("predictor.env[1]", "Duplicate value"),
  ],
  [
    "a label of the operator",
    { predictor: predictor({}, { labels: { "app.kubernetes.io/name": "other" } }) },
    refused("predictor.labels", "labels that start with app.kubernetes.io/ or serving.lockstep.dev/"),
  ],
  [
    "the label that selects the pods",
    { predictor: predictor({}, { labels: { "serving.lockstep.dev/inferenceservice": "other" } }) },
    refused("predictor.labels", "labels that start with app.kubernetes.io/ or serving.lockstep.dev/"),
  ],
  [
    "too little time to end",
    { predictor: predictor({}, { terminationGracePeriodSeconds: 0 }) },
    refused("predictor.terminationGracePeriodSeconds", "greater than or equal to 10"),
  ],
];

/** The API server knows no such field, and says so. */
export const UNKNOWN: readonly (readonly [words: string, spec: Json, field: string])[] = [
  ["a typo in spec", { predictor: predictor(), stopped: true }, "spec.stopped"],
  ["a typo in the predictor", { predictor: predictor({}, { minReplica: 2 }) }, "spec.predictor.minReplica"],
  ["a typo in the model", { predictor: predictor({ storageURI: "s3://a" }) }, "spec.predictor.model.storageURI"],
  ["KServe: a runtime", { predictor: predictor({ runtime: "kserve-mlserver" }) }, "spec.predictor.model.runtime"],
  ["KServe: containers", { predictor: predictor({}, { containers: [] }) }, "spec.predictor.containers"],
  [
    "a variable from a Secret",
    { predictor: predictor({}, { env: [{ name: "A", valueFrom: { secretKeyRef: { name: "s", key: "k" } } }] }) },
    "spec.predictor.env[0].valueFrom",
  ],
];
