/**
 * The closed list of reasons for which a replica cannot serve a model. A replica reports them (admin-api.ts), the
 * operator copies them into conditions and `status.failures`, docs/reference/reasons.md is generated from this table.
 */
export const REPLICA_FAILURES = {
  ConfigInvalid: {
    meaning: "The replica does not understand its configuration.",
    remedy: "The operator and the runtime image are of different releases: install both from one release of the chart.",
    retried: false,
  },
  StorageNotFound: {
    meaning: "The bucket, folder, claim or file that storageUri names does not exist, or holds no model.",
    remedy: "Compare storageUri with the storage. A version folder is named by an integer and holds one .onnx file.",
    retried: true,
  },
  VersionNotFound: {
    meaning: "A version that versionPolicy asks for is not in the repository.",
    remedy: "The message lists the versions that are there: correct versionPolicy or upload the version.",
    retried: true,
  },
  StorageAccessDenied: {
    meaning: "The storage refused the replica's credentials, or wants some.",
    remedy: "Check storage.secretRef (or the service account's cloud identity) and its right to list and read.",
    retried: true,
  },
  StorageUnreachable: {
    meaning: "The storage could not be reached, did not answer in time, or answered with a server error.",
    remedy: "Check storage.endpoint, DNS, certificates (storage.caBundle) and network policies.",
    retried: true,
  },
  ChecksumMismatch: {
    meaning:
      "What is there is not what was announced, by the storage, by the version's manifest or by storage.verify.sha256: a file is missing, or its size or digest differ.",
    remedy: "Publish the version again, under a new number; correct storage.verify.sha256 if that is what is wrong.",
    retried: true,
  },
  ManifestInvalid: {
    meaning: "The version's manifest, lockstep.json, is damaged, of another version, or of a newer format.",
    remedy: "Publish the version again with lockstep push, under a new number; do not write or copy the file by hand.",
    retried: true,
  },
  SignatureInvalid: {
    meaning:
      "storage.verify.publicKey is set, and the version is not signed with its private key: no manifest, no signature, or one of something else.",
    remedy:
      "Publish the version with lockstep push --key. If it was: compare the keys, and find out who has changed the version since.",
    retried: true,
  },
  StorageFull: {
    meaning: "The replica's disk is too small for the model.",
    remedy: "Serve fewer versions, or give the node more ephemeral storage.",
    retried: true,
  },
  UnsafeModelFile: {
    meaning:
      "A file of the version is not a plain file (a link, a device), or its name leads out of the version's folder.",
    remedy: "Copy the model's files themselves into the version folder.",
    retried: true,
  },
  InvalidModel: {
    meaning: "The file is not a model in ONNX format, or is damaged.",
    remedy: "Check the file with onnx.checker, and upload it again under a new version.",
    retried: false,
  },
  UnsupportedOpset: {
    meaning: "The model uses an operator, or a version of one, that the engine does not have.",
    remedy: "Export the model again with the opset that the message names, or an older one.",
    retried: false,
  },
  OutOfMemory: {
    meaning:
      "The replica needs more memory than resources.limits.memory allows, or would with this version beside the one that it serves.",
    remedy: "Raise resources.limits.memory: a model needs about twice its file's size, and more while it answers.",
    retried: true,
  },
  LoadTimeout: {
    meaning: "The inference library has not loaded the version within LOCKSTEP_LOAD_TIMEOUT_MS.",
    remedy:
      "Look at the file, and whether the replica has the CPU that it needs. Where it does need longer, raise LOCKSTEP_LOAD_TIMEOUT_MS (predictor.env). What was begun cannot be stopped: it is tried again when it has ended, or by a replica that starts anew.",
    retried: false,
  },
  SignatureMismatch: {
    meaning:
      "Clients of the version that is served could not use this one: an input or output is missing, or has another datatype or shape.",
    remedy:
      "The message names the field. Publish a model with the same inputs and outputs; for a change that clients know of, set model.signatureChange: Allow, or serve it as another InferenceService.",
    retried: true,
  },
  VersionRewritten: {
    meaning: "A version's files in the repository are not those that replicas have fetched under its number before.",
    remedy:
      "Replicas keep to the files that they have. Publish the new ones under a new number, and put the old ones back: a replica that starts now could not serve this version.",
    retried: true,
  },
  WarmupFailed: {
    meaning: "The model was loaded but could not answer the synthetic request.",
    remedy: "If it cannot answer zeros (or dimensions of 1), set warmup.iterations: 0.",
    retried: false,
  },
  InternalError: {
    meaning: "Something else went wrong in the replica.",
    remedy: "Read the replica's log (kubectl logs) and report it.",
    retried: true,
  },
} as const satisfies Record<string, ReasonDoc & { readonly retried: boolean }>;

/** What a reason means and what its reader should do. */
export interface ReasonDoc {
  readonly meaning: string;
  readonly remedy: string;
}

/** A reason for which a replica cannot serve. */
export type ReplicaFailureReason = keyof typeof REPLICA_FAILURES;

/** Whether a word that came over the wire is one of the closed list. */
export function isReplicaFailureReason(word: string): word is ReplicaFailureReason {
  return Object.hasOwn(REPLICA_FAILURES, word);
}
