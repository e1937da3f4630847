/** A key of the Secret that storage.secretRef names: the replica has it as an environment variable of the same name. */
export interface SecretKey {
  readonly name: string;
  /** Whether a pod does not start without it. */
  readonly isRequired: boolean;
}

/** With what a storage knows who asks. */
interface Credentials {
  readonly secretKeys: readonly SecretKey[];
  /** Variables by which whoever runs a replica on a desk names an identity otherwise. */
  readonly others: readonly string[];
}

const required = (name: string): SecretKey => ({ name, isRequired: true });
const optional = (name: string): SecretKey => ({ name, isRequired: false });

/** Credentials of the storages, by the scheme of storageUri; a scheme that is not here takes none. */
const CREDENTIALS: ReadonlyMap<string, Credentials> = new Map([
  [
    "s3",
    {
      secretKeys: [required("AWS_ACCESS_KEY_ID"), required("AWS_SECRET_ACCESS_KEY"), optional("AWS_SESSION_TOKEN")],
      others: ["AWS_PROFILE"],
    },
  ],
  ["gs", { secretKeys: [required("GOOGLE_APPLICATION_CREDENTIALS_JSON")], others: ["GOOGLE_APPLICATION_CREDENTIALS"] }],
]);

/** The keys that a Secret for a model's storage may have. */
export function secretKeysOf(storageUri: string): readonly SecretKey[] {
  return credentialsOf(storageUri)?.secretKeys ?? [];
}

/**
 * What to set in a process's environment in place of the Secret, in words such as "A and B"; undefined if something is
 * set, or nothing is needed.
 */
export function missingVariables(
  storageUri: string,
  environment: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const { secretKeys = [], others = [] } = credentialsOf(storageUri) ?? {};
  const names = secretKeys.map(({ name }) => name);
  if (names.length === 0 || [...names, ...others].some((name) => (environment[name] ?? "") !== "")) return undefined;
  const needed = secretKeys.filter(({ isRequired }) => isRequired).map(({ name }) => name);
  return needed.length > 0 ? needed.join(" and ") : names.join(" or ");
}

function credentialsOf(storageUri: string): Credentials | undefined {
  return CREDENTIALS.get(/^[a-z0-9]+(?=:\/\/)/.exec(storageUri)?.[0] ?? "");
}
