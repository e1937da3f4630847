/** A key of the Secret that storage.secretRef names, and the replica's environment variable that has its value. */
export interface SecretKey {
  readonly key: string;
  readonly variable: string;
  /** Whether a pod does not start without it. */
  readonly isRequired: boolean;
}

/** With what a storage knows who asks. Names are of environment variables; those of the Secret's keys are the same. */
interface Credentials {
  /** Sets of variables of which one must be complete. */
  readonly alternatives: readonly (readonly string[])[];
  /** What may be there beside them. */
  readonly extras?: readonly string[];
  /** Variables that name an identity outside of a Secret. */
  readonly ambient?: readonly string[];
  /** Keys that are not named as their variables are. */
  readonly keys?: Readonly<Record<string, string>>;
}

/** Credentials of the storages, by the scheme of storageUri; a scheme that is not here takes none. */
const CREDENTIALS: Readonly<Record<string, Credentials>> = {
  s3: {
    alternatives: [["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]],
    extras: ["AWS_SESSION_TOKEN"],
    ambient: ["AWS_PROFILE"],
  },
  gs: {
    alternatives: [["GOOGLE_APPLICATION_CREDENTIALS_JSON"]],
    ambient: ["GOOGLE_APPLICATION_CREDENTIALS"],
  },
  azblob: {
    alternatives: [
      ["AZURE_STORAGE_ACCESS_KEY"],
      ["AZURE_STORAGE_SAS_TOKEN"],
      ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"],
    ],
    ambient: ["AZURE_FEDERATED_TOKEN_FILE"],
  },
  oci: {
    alternatives: [["OCI_USERNAME", "OCI_PASSWORD"], ["DOCKER_AUTH_CONFIG"]],
    // As Secrets of type kubernetes.io/dockerconfigjson have it.
    keys: { DOCKER_AUTH_CONFIG: ".dockerconfigjson" },
  },
  hf: { alternatives: [["HF_TOKEN"]] },
  mlflow: {
    alternatives: [["MLFLOW_TRACKING_TOKEN"], ["MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"]],
  },
};

type Variables = Readonly<Record<string, string | undefined>>;

/** The keys that a Secret for a model's storage may have. */
export function secretKeysOf(storageUri: string): readonly SecretKey[] {
  const { alternatives = [], extras = [], keys = {} } = credentialsOf(storageUri) ?? {};
  const required = alternatives.length === 1 ? alternatives.flat() : [];
  return [...alternatives.flat(), ...extras].map((variable) => ({
    key: keys[variable] ?? variable,
    variable,
    isRequired: required.includes(variable),
  }));
}

/**
 * Which keys of a Secret are missing in the environment, in words such as "A, or B and C"; undefined if one of the sets
 * is complete, or none is needed.
 */
export function missingKeys(storageUri: string, environment: Variables): string | undefined {
  const { alternatives = [], keys = {} } = credentialsOf(storageUri) ?? {};
  if (alternatives.length === 0 || alternatives.some((set) => set.every(isSetIn(environment)))) return undefined;
  return alternatives.map((set) => set.map((variable) => keys[variable] ?? variable).join(" and ")).join(", or ");
}

/**
 * Which variables to set where there is no Secret, in words such as "A, or B and C"; undefined if some of them, or a
 * variable that names another identity, is set.
 */
export function missingVariables(storageUri: string, environment: Variables): string | undefined {
  const { alternatives = [], ambient = [] } = credentialsOf(storageUri) ?? {};
  if (alternatives.length === 0 || [...alternatives.flat(), ...ambient].some(isSetIn(environment))) return undefined;
  return alternatives.map((set) => set.join(" and ")).join(", or ");
}

function isSetIn(environment: Variables): (variable: string) => boolean {
  return (variable) => (environment[variable] ?? "") !== "";
}

function credentialsOf(storageUri: string): Credentials | undefined {
  return CREDENTIALS[/^[a-z0-9]+(?=:\/\/)/.exec(storageUri)?.[0] ?? ""];
}
