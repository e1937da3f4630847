// Generated from crds/inferenceservices.yaml by `npm run generate`. Do not edit.

/**
 * Types of InferenceService as the API server returns it: defaults are filled in, so a field that has one is always
 * there when the object around it is. Objects from a cache are shared, hence everything is read-only.
 */

/** What the API server calls the resource. */
export const INFERENCE_SERVICE = {
  group: "serving.lockstep.dev",
  version: "v1alpha1",
  apiVersion: "serving.lockstep.dev/v1alpha1",
  kind: "InferenceService",
  plural: "inferenceservices",
} as const;

/** How many rules of the Common Expression Language its schema has, by which a stored one can be told from a mutilated one. */
export const VALIDATION_RULE_COUNT = 31;

/**
 * InferenceService serves one model on as many replicas as its load needs. Apply one, wait for condition Ready, and
 * send requests to status.url.
 */
export interface InferenceService {
  readonly apiVersion: typeof INFERENCE_SERVICE.apiVersion;
  readonly kind: typeof INFERENCE_SERVICE.kind;
  readonly metadata: ObjectMeta;
  readonly spec: InferenceServiceSpec;
  readonly status?: InferenceServiceStatus;
}

/** What every object of Kubernetes carries. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  /** Counts the changes of spec. */
  readonly generation?: number;
  /** Changes with every write; only good for comparing. */
  readonly resourceVersion?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly creationTimestamp?: string;
  /** Set when the object is being deleted. */
  readonly deletionTimestamp?: string;
  readonly finalizers?: readonly string[];
  readonly ownerReferences?: readonly OwnerReference[];
}

/** The object that another one belongs to, and is deleted with. */
export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

/** What should be served, and how. */
export interface InferenceServiceSpec {
  /** True removes all replicas and keeps the Service, its address and this object. Set it back to false to serve again. */
  readonly stop: boolean;
  readonly predictor: Predictor;
}

/** The model and the replicas that serve it. */
export interface Predictor {
  readonly model?: Model;
  readonly onnx?: OnnxModel;
  readonly batcher?: Batcher;
  readonly concurrency?: Concurrency;
  /**
   * Protocols to answer, over HTTP and gRPC: v2 (the Open Inference Protocol), predict (plain JSON), kserve-v1,
   * tensorflow-serving, sagemaker, mlflow. Default: all of them.
   */
  readonly protocols?: readonly ("v2" | "predict" | "kserve-v1" | "tensorflow-serving" | "sagemaker" | "mlflow")[];
  readonly monitoring?: Monitoring;
  readonly logger?: PayloadLogger;
  /**
   * The least number of replicas; `kubectl scale` sets it. Without maxReplicas it is the number of replicas. 0: all
   * replicas go when no request came for scaling.idleTimeout, and the next request wakes one; to run none at all set
   * spec.stop: true.
   */
  readonly minReplicas: number;
  /**
   * The greatest number of replicas. Above minReplicas, a HorizontalPodAutoscaler sets the number. Default:
   * minReplicas, and 1 where that is 0.
   */
  readonly maxReplicas?: number;
  /**
   * What the autoscaler looks at. concurrency: requests that a replica answers at a time, those that wait among them;
   * rps: requests that come each second; queueTime: milliseconds that requests wait for the model; cpu and memory: as
   * metrics-server measures them. Default: concurrency, or cpu where the operator serves no metrics.
   */
  readonly scaleMetric?: "concurrency" | "rps" | "queueTime" | "cpu" | "memory";
  /**
   * What to aim for, on average over the replicas: for cpu and memory, percent of what a replica requests (default 80,
   * at most 1000); for concurrency, requests of one replica (default 0.7 for each of concurrency.instances); for rps,
   * requests each second of one replica (no default); for queueTime, milliseconds (default 20).
   */
  readonly scaleTarget?: number;
  readonly scaling?: Scaling;
  /**
   * How the replicas change from one version to another. Strict: once anybody has had an answer of the new version, no
   * request that is sent later is answered by the old one, whichever replica it reaches. Eventual: they change within
   * moments of each other, and a replica that cannot be reached does not keep the others from it. Default: Strict.
   */
  readonly snapshotConsistency?: "Strict" | "Eventual";
  /** Seconds that a request may take before it is answered with status 504. */
  readonly timeout: number;
  readonly resources?: ResourceRequirements;
  readonly modelCache?: ModelCache;
  readonly service?: PredictorService;
  /**
   * Environment variables of the replicas, such as AWS_ROLE_ARN or OTEL_EXPORTER_OTLP_ENDPOINT. Of those that start
   * with LOCKSTEP_, LOCKSTEP_ACCESS_LOG_PERCENT, LOCKSTEP_DRIFT_ROWS_PER_SECOND, LOCKSTEP_LOAD_TIMEOUT_MS,
   * LOCKSTEP_TRITON_METRICS and LOCKSTEP_UI may be set; the others are the operator's.
   */
  readonly env?: readonly EnvironmentVariable[];
  /** Labels that a node must have. */
  readonly nodeSelector?: Readonly<Record<string, string>>;
  /** Taints of nodes that the replicas tolerate. */
  readonly tolerations?: readonly Toleration[];
  /** Affinity of the replicas, as in a Pod. */
  readonly affinity?: Readonly<Record<string, unknown>>;
  /**
   * How to spread the replicas, as in a Pod; the selector of the replicas is filled in. Default: evenly over zones and
   * nodes where possible.
   */
  readonly topologySpreadConstraints?: readonly TopologySpreadConstraint[];
  /** Secrets with which to pull the runtime's image. */
  readonly imagePullSecrets?: readonly ImagePullSecret[];
  /** Priority class of the replicas. */
  readonly priorityClassName?: string;
  /** Runtime class of the replicas. */
  readonly runtimeClassName?: string;
  /**
   * Service account of the replicas, for cloud identities. No token of the cluster is mounted. Default: the
   * namespace's default one.
   */
  readonly serviceAccountName?: string;
  /** Labels for the replicas' pods. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Annotations for the replicas' pods. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** Seconds that a replica has to finish what is in flight when it is stopped. Default: timeout + 30. */
  readonly terminationGracePeriodSeconds?: number;
}

/** The model that the replicas serve. Exactly one of model and onnx. */
export interface Model {
  /** Name of the model in URLs (/v2/models/NAME). Defaults to metadata.name. Cannot be changed. */
  readonly name?: string;
  readonly modelFormat: ModelFormat;
  /**
   * The protocol that clients rely on, as KServe's manifests state it. All of them are served anyway, unless
   * predictor.protocols says otherwise.
   */
  readonly protocolVersion?: "v1" | "v2" | "grpc-v2";
  /**
   * Where the model is: s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, azblob://ACCOUNT/CONTAINER/PATH,
   * oci://HOST/REPOSITORY:TAG, hf://ORG/REPO/PATH, mlflow://NAME@ALIAS, https://HOST/PATH (or http), pvc://CLAIM/PATH,
   * or file:///PATH inside the image. A folder whose sub-folders are named by integers is a repository of versions
   * (1/model.onnx, 2/model.onnx, ...); a single file is version 1. Over http(s) only a single file can be served.
   */
  readonly storageUri: string;
  readonly storage?: ModelStorage;
  readonly versionPolicy?: ModelVersionPolicy;
  /**
   * Names for versions, such as {stable: 3}: a request that asks for the label (TensorFlow Serving's
   * /v1/models/NAME/labels/LABEL) is answered by that version.
   */
  readonly versionLabels?: Readonly<Record<string, number>>;
  /**
   * What becomes of a version whose inputs or outputs clients of the active version could not use. Refuse: it is not
   * served, and SignatureMismatch says what does not fit. Default: Refuse.
   */
  readonly signatureChange?: "Refuse" | "Allow";
  readonly warmup?: ModelWarmup;
  /**
   * Outputs that are inputs of the next request of the same sequence (or stream): the replica keeps them between the
   * two, and clients need not send them.
   */
  readonly state?: readonly ModelState[];
  readonly sequences?: ModelSequences;
  readonly resources?: ResourceRequirements;
}

/** The format in which the model is stored. */
export interface ModelFormat {
  /** onnx: a model.onnx (or any single .onnx file) in each version folder. */
  readonly name: "onnx";
}

/** How to reach the place that storageUri names. */
export interface ModelStorage {
  readonly secretRef?: SecretReference;
  /**
   * Address of the storage's server, such as http://minio.storage:9000 for one that is S3-compatible. Default: the
   * cloud's own.
   */
  readonly endpoint?: string;
  /** Region of an s3 bucket. Default: AWS_REGION of the replica, or us-east-1. */
  readonly region?: string;
  /** Put the bucket into the path rather than the host name. Default: true when endpoint is set, false for AWS. */
  readonly forcePathStyle?: boolean;
  /** Read what is public, with no credentials. Default: false. */
  readonly anonymous?: boolean;
  readonly caBundle?: CaBundle;
  readonly verify?: ModelVerification;
}

/**
 * A Secret of this namespace with the storage's credentials. s3: keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,
 * optionally AWS_SESSION_TOKEN. gs: GOOGLE_APPLICATION_CREDENTIALS_JSON, a service account's key. azblob:
 * AZURE_STORAGE_ACCESS_KEY, or AZURE_STORAGE_SAS_TOKEN, or AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET.
 * oci: OCI_USERNAME and OCI_PASSWORD, or .dockerconfigjson. hf: HF_TOKEN. mlflow: MLFLOW_TRACKING_TOKEN, or
 * MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD. Without it the replicas use the identity of their service
 * account, or the cloud's ambient one.
 */
export interface SecretReference {
  /** Name of the Secret. */
  readonly name: string;
}

/** Certificate authorities to trust beside the well-known ones. */
export interface CaBundle {
  readonly configMapRef: ConfigMapKeyReference;
}

/** A ConfigMap of this namespace that holds them. */
export interface ConfigMapKeyReference {
  /** Name of the ConfigMap. */
  readonly name: string;
  /** Key with the PEM text. */
  readonly key: string;
}

/** What must hold before the model is loaded. */
export interface ModelVerification {
  /** SHA-256 of the version's model file, in lower-case hexadecimal. */
  readonly sha256?: string;
  /**
   * An Ed25519 public key, in PEM or in base64. Only versions with a manifest that was signed with its private key are
   * served (lockstep push --key), and of them only the files that the manifest names.
   */
  readonly publicKey?: string;
}

/**
 * Which versions of the repository each replica serves. A request that names no version is answered by the greatest of
 * them. Default: the newest one. A change is made in the running replicas.
 */
export interface ModelVersionPolicy {
  /** Seconds after which replicas look for new versions in the repository again. 0: only when they start. Default: 30. */
  readonly pollInterval?: number;
  readonly latest?: LatestVersions;
  readonly specific?: SpecificVersions;
  readonly all?: AllVersions;
}

/** The newest versions. */
export interface LatestVersions {
  /** How many. */
  readonly count: number;
}

/** Exactly these versions. */
export interface SpecificVersions {
  /** The versions' numbers. */
  readonly versions: readonly number[];
}

/** Every version that is there. */
export type AllVersions = Readonly<Record<string, never>>;

/** Requests that a replica answers for itself before it is ready. */
export interface ModelWarmup {
  /**
   * How many times each request is made, for each size of batch that will be used. 0 skips warm-up, and with it
   * batching, which is tried there first.
   */
  readonly iterations: number;
  /**
   * Requests to make, each the JSON text of an inference request of the Open Inference Protocol v2. A file
   * warmup.jsonl beside the model, with one on each line, is used too. Default: synthetic requests (zeros, empty
   * strings; dynamic dimensions are 1, then 16, 224 and 512), which some models cannot answer.
   */
  readonly requests?: readonly string[];
}

/** One of spec.predictor.model.state. */
export interface ModelState {
  /** Name of the input. */
  readonly input: string;
  /** Name of the output that becomes it. */
  readonly output: string;
}

/** How states are kept between requests. Each replica keeps its own. */
export interface ModelSequences {
  /** A sequence that gets no request for so long is forgotten. */
  readonly idleTimeoutSeconds: number;
  /** Sequences that a replica remembers; those beyond are answered with status 429. */
  readonly maxCount: number;
}

/**
 * CPU and memory of each replica. Default: requests of 250m CPU and 256Mi, a memory limit of 1Gi. The CPU limit also
 * sets how many threads a model uses.
 */
export interface ResourceRequirements {
  /** What the scheduler reserves, such as cpu and memory. */
  readonly requests?: Readonly<Record<string, Quantity>>;
  /** What a replica may use at most. */
  readonly limits?: Readonly<Record<string, Quantity>>;
}

/** An amount, such as 2, 250m or 1Gi. */
export type Quantity = string | number;

/** Shorthand for a model in ONNX format. Exactly one of model and onnx. */
export interface OnnxModel {
  /**
   * Where the model is: s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, azblob://ACCOUNT/CONTAINER/PATH,
   * oci://HOST/REPOSITORY:TAG, hf://ORG/REPO/PATH, mlflow://NAME@ALIAS, https://HOST/PATH (or http), pvc://CLAIM/PATH,
   * or file:///PATH inside the image. A folder whose sub-folders are named by integers is a repository of versions
   * (1/model.onnx, 2/model.onnx, ...); a single file is version 1. Over http(s) only a single file can be served.
   */
  readonly storageUri: string;
  /**
   * The protocol that clients rely on, as KServe's manifests state it. All of them are served anyway, unless
   * predictor.protocols says otherwise.
   */
  readonly protocolVersion?: "v1" | "v2" | "grpc-v2";
  readonly resources?: ResourceRequirements;
}

/**
 * How requests are run together, for models whose inputs and outputs all have a dynamic first dimension. On by
 * default: what has arrived when the model is free is run as one batch, and nobody waits for others.
 */
export interface Batcher {
  /**
   * Rows in one run, at most. The replica measures at which size a row costs least and makes no larger batches than
   * that. 1 switches batching off.
   */
  readonly maxBatchSize: number;
  /** Milliseconds that a request may wait for others while the model is free. */
  readonly maxLatency: number;
  /**
   * Requests that may wait for the model; those beyond are answered with status 429, those of low priority (batches
   * without end among them) first.
   */
  readonly maxQueue: number;
}

/** How much of the model runs at the same time, and where. */
export interface Concurrency {
  /** Copies of the model, each in a thread of its own and with its own memory. */
  readonly instances: number;
  /** Threads that one run uses. Default: the CPU limit, divided by instances. */
  readonly intraOpThreads?: number;
  /**
   * Worker: runs have threads of their own. ServingThread: short runs are made on the thread that serves requests, and
   * long ones still have their own. Auto: that, where a run is measured to be shorter than the way to another thread.
   */
  readonly placement: "Auto" | "Worker" | "ServingThread";
}

/** What is watched of the model's inputs, outputs and outcomes. All of it is on by default. */
export interface Monitoring {
  readonly drift?: MonitoringDrift;
  readonly feedback?: MonitoringFeedback;
}

/**
 * Compares a sample of what the active version is asked and answers with a reference: the profile that was published
 * with the version (lockstep profile), or its first requests. Condition Drifting tells what moved.
 */
export interface MonitoringDrift {
  /** Whether drift is watched. */
  readonly enabled: boolean;
  /** Rows, of all replicas together, that make the reference of a version without a profile. */
  readonly referenceRows: number;
  /** The newest rows, of all replicas together, that are compared with the reference. */
  readonly windowRows: number;
  /**
   * Population stability index from which a feature counts as drifting, if chance does not explain it. 0.1 is called a
   * moderate change, 0.25 a large one.
   */
  readonly threshold: number;
}

/** Joins true outcomes (POST /v2/models/MODEL/feedback) with predictions, for metrics of accuracy and error. */
export interface MonitoringFeedback {
  /** Whether predictions are remembered. */
  readonly enabled: boolean;
  /** The output that is the prediction. Default: the first one that is a label, a score of classes, or a number. */
  readonly output?: string;
  /** Predictions that each replica remembers, the newest ones. */
  readonly maxPredictions: number;
}

/**
 * Sends requests and answers somewhere: as CloudEvents by HTTP, or as files to an object storage. Never on the way of
 * a request: what cannot be sent in time is dropped and counted.
 */
export interface PayloadLogger {
  /** Where CloudEvents are posted. */
  readonly url?: string;
  /** Folder for files of many payloads each, reached as the model's storage is. s3:// and file://. */
  readonly storageUri?: string;
  /** Of the files in storageUri. */
  readonly format: "JSONLines" | "Parquet";
  /** What of each pair is logged. */
  readonly mode: "all" | "request" | "response";
  /** Of requests, so many in a hundred are logged. */
  readonly percent: number;
  /** Inputs and outputs whose values are left out; their names, datatypes and shapes stay. */
  readonly redact?: readonly string[];
  /** The most memory that payloads take which wait to be sent; those beyond are dropped. */
  readonly maxQueueSize: string | number;
  /** Requests in one file of storageUri, at most. */
  readonly batchSize: number;
  /** Seconds after which a file is written although it is not full. */
  readonly batchInterval: number;
}

/** Fine control of the autoscaler. */
export interface Scaling {
  /** With minReplicas: 0, seconds without a request after which all replicas go. Default: 300. */
  readonly idleTimeout?: number;
  readonly behavior?: ScalingBehavior;
}

/** How fast to scale, as in autoscaling/v2. Default: Kubernetes' own. */
export interface ScalingBehavior {
  readonly scaleUp?: ScalingRules;
  readonly scaleDown?: ScalingRules;
}

/** Rules for one direction. */
export interface ScalingRules {
  /** How long past recommendations count. */
  readonly stabilizationWindowSeconds?: number;
  /** Which of the policies' results to take. */
  readonly selectPolicy?: "Max" | "Min" | "Disabled";
  /** Limits to the change within a period. Default: Kubernetes' own. */
  readonly policies?: readonly ScalingPolicy[];
}

/** One of spec.predictor.scaling.behavior.scaleUp.policies. */
export interface ScalingPolicy {
  /** What value counts. */
  readonly type: "Pods" | "Percent";
  /** The greatest change. */
  readonly value: number;
  /** The period. */
  readonly periodSeconds: number;
}

/**
 * A folder that the replicas of a node share, so that each file of a model is fetched once. Exactly one of hostPath
 * and persistentVolumeClaim. Not used for models in pvc:// and file://.
 */
export interface ModelCache {
  readonly hostPath?: HostPath;
  readonly persistentVolumeClaim?: ClaimReference;
  /** The most that it may take; what was not used for longest is removed first. */
  readonly maxSize: string | number;
}

/**
 * A folder of the node. The operator must allow it, and so must the namespace's Pod Security: neither of the profiles
 * restricted and baseline does.
 */
export interface HostPath {
  /** Its absolute path. User 65532 must be able to write to it. */
  readonly path: string;
}

/** A claim of this namespace. Replicas on several nodes need one of access mode ReadWriteMany. */
export interface ClaimReference {
  /** Name of the claim. */
  readonly claimName: string;
}

/** The Service in front of the replicas. */
export interface PredictorService {
  /** Who can reach it. */
  readonly type: "ClusterIP" | "NodePort" | "LoadBalancer";
  /** The port on every node for HTTP. Default: chosen by Kubernetes. */
  readonly nodePort?: number;
  /** The port on every node for gRPC. Default: chosen by Kubernetes. */
  readonly grpcNodePort?: number;
  /** Annotations for the Service, such as those that cloud load balancers read. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/** One of spec.predictor.env. */
export interface EnvironmentVariable {
  /** Its name. */
  readonly name: string;
  /** Its value. */
  readonly value: string;
}

/** One of spec.predictor.tolerations. */
export interface Toleration {
  /** Key of the taint; empty for all. */
  readonly key?: string;
  /** How to compare. Default: Equal. */
  readonly operator?: "Exists" | "Equal";
  /** Value of the taint. */
  readonly value?: string;
  /** Effect of the taint; all if not set. */
  readonly effect?: "NoSchedule" | "PreferNoSchedule" | "NoExecute";
  /** How long NoExecute is tolerated. */
  readonly tolerationSeconds?: number;
}

/** One of spec.predictor.topologySpreadConstraints. */
export interface TopologySpreadConstraint {
  /** The greatest difference between two places. */
  readonly maxSkew: number;
  /** The node label that names the places. */
  readonly topologyKey: string;
  /** What to do when it cannot hold. */
  readonly whenUnsatisfiable: "DoNotSchedule" | "ScheduleAnyway";
  /** The least number of places. */
  readonly minDomains?: number;
}

/** One of spec.predictor.imagePullSecrets. */
export interface ImagePullSecret {
  /** Name of the Secret. */
  readonly name: string;
}

/** What is, as the operator last saw it. */
export interface InferenceServiceStatus {
  /** The metadata.generation that this status is about. */
  readonly observedGeneration?: number;
  /** Where clients in the cluster send requests. */
  readonly url?: string;
  /** Where clients in the cluster send gRPC calls, as HOST:PORT, without TLS. */
  readonly grpcAddress?: string;
  readonly address?: Address;
  /** The version that answers requests which name none. */
  readonly activeVersion?: number;
  /** How often the active version, or what a label stands for, has been changed; it only grows. */
  readonly epoch?: number;
  /** The version that was active before, for lockstep rollback. */
  readonly previousVersion?: number;
  /** The version that versionPolicy asks for; it becomes active when every replica is prepared. */
  readonly targetVersion?: number;
  readonly rollout?: RolloutStatus;
  readonly drift?: StatusDrift;
  readonly loading?: StatusLoading;
  /** Replicas that exist. */
  readonly replicas?: number;
  /** Replicas that answer requests. */
  readonly readyReplicas?: number;
  /** Replicas that run the current spec. */
  readonly updatedReplicas?: number;
  /** Ready and existing replicas, such as 3/3. */
  readonly replicasSummary?: string;
  /** Label selector of the replicas' pods. */
  readonly selector?: string;
  /** Replicas that fail, with the replica's own reason; the first five, worst first. */
  readonly failures?: readonly StatusFailure[];
  /**
   * Ready: the current spec is served. Available: some replica answers. Progressing: replicas are being made or
   * replaced. Degraded: some replica fails, or replicas disagree. Drifting: what the model is asked or answers is not
   * what its reference says.
   */
  readonly conditions?: readonly Condition[];
}

/** The same, where tools of the field look for it. */
export interface Address {
  /** Where clients in the cluster send requests. */
  readonly url?: string;
}

/** How far the change to targetVersion is. */
export interface RolloutStatus {
  /**
   * Idle: nothing is to be changed. Preparing: replicas fetch, load and warm up. Switching: they change. Blocked: a
   * replica cannot be reached, or the record cannot be written. Failed: the version cannot be served by some replica,
   * and is not activated on any.
   */
  readonly phase?: "Idle" | "Preparing" | "Switching" | "Blocked" | "Failed";
  /** Replicas that have the version loaded and warm. */
  readonly prepared?: number;
  /** Replicas that must have it. */
  readonly total?: number;
  /** How long the last change let requests wait, in ms. */
  readonly lastSwitchHeldMs?: number;
}

/** How what the active version is asked and answers differs from its reference. */
export interface StatusDrift {
  /**
   * Learning: the reference is being made. Waiting: too few rows have come to tell. Steady: nothing has moved.
   * Drifting: the features below have.
   */
  readonly state: "Learning" | "Waiting" | "Steady" | "Drifting";
  /** The version that is watched. */
  readonly version?: number;
  /** Where the reference is from. */
  readonly reference?: "Published" | "Learned";
  /** Rows that the reference was made of. */
  readonly referenceRows?: number;
  /** Rows that it was compared with. */
  readonly windowRows?: number;
  /** What has moved, most first; the first ten. */
  readonly features?: readonly StatusDriftFeature[];
}

/** One of status.drift.features. */
export interface StatusDriftFeature {
  /** Input or output, and the column, such as input[3]. */
  readonly name: string;
  /** Population stability index. */
  readonly psi: number;
  /** How it has moved, for people. */
  readonly message?: string;
}

/**
 * The download under way: of the newest version that replicas are fetching, all these replicas together. Not set while
 * none fetches.
 */
export interface StatusLoading {
  /** The version. */
  readonly version: number;
  /** Bytes that have arrived. */
  readonly bytesDone: number;
  /** Bytes to fetch; not set where a storage does not tell. */
  readonly bytesTotal?: number;
}

/** One of status.failures. */
export interface StatusFailure {
  /** Name of the pod; not set when no pod could be made. */
  readonly pod?: string;
  /** The model version that fails. */
  readonly version?: number;
  /** One of the documented reasons. */
  readonly reason: string;
  /** What happened. */
  readonly message: string;
  /** Exit code of the container that ended. */
  readonly exitCode?: number;
}

/** One of status.conditions. */
export interface Condition {
  /** Name of the condition. */
  readonly type: string;
  /** Whether it holds. */
  readonly status: "True" | "False" | "Unknown";
  /** The metadata.generation it is about. */
  readonly observedGeneration?: number;
  /** When status last changed. */
  readonly lastTransitionTime: string;
  /** One of the documented reasons. */
  readonly reason: string;
  /** What happened and what to do. */
  readonly message: string;
}
