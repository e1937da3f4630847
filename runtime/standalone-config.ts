import {
  ConfigError,
  parseRuntimeConfig,
  parseRuntimeConfigText,
  type RuntimeConfig,
} from "../common/runtime-config.ts";

/**
 * The configuration of a replica that serves one model and has no operator. `name` is that of the model in URLs, by
 * default made of its place; `endpoint` is the address of an S3-compatible server, by default AWS.
 * Throws ConfigError, for a name that cannot be in a URL for example.
 */
export function standaloneConfig(
  storageUri: string,
  { name = modelNameOf(storageUri), endpoint }: { readonly name?: string; readonly endpoint?: string } = {},
): RuntimeConfig {
  return parseRuntimeConfig({
    configVersion: 1,
    service: { namespace: "default", name },
    models: [{ name, format: "onnx", storageUri, storage: endpoint === undefined ? {} : { endpoint } }],
  });
}

/**
 * A model's name by its place: the last part of the path that tells something, so neither a version's number nor
 * `model.onnx`. Characters that a name cannot have become `-`.
 */
export function modelNameOf(storageUri: string): string {
  // A web server's name says nothing of a model, a bucket's may.
  const [place = ""] = storageUri.replace(/^(https?:\/\/[^/]*|[a-z0-9]+:\/\/)/, "").split(/[?#]/, 1);
  const parts = place
    .split("/")
    .map((part) => part.replace(/\.onnx$/, ""))
    .filter((part) => part !== "" && part !== "model" && !/^\d+$/.test(part));
  const name = (parts.at(-1) ?? "").replace(/[^-A-Za-z0-9_.]+/g, "-").replace(/^[-_.]+|[-_.]+$/g, "");
  return name === "" ? "model" : name;
}

/**
 * What a process was told to serve: the text of the file that LOCKSTEP_CONFIG names, or else LOCKSTEP_STORAGE_URI.
 * Throws ConfigError.
 */
export function configOf(told: {
  readonly configText: string | undefined;
  readonly storageUri: string;
  readonly modelName: string;
}): RuntimeConfig {
  if (told.configText !== undefined) return parseRuntimeConfigText(told.configText);
  if (told.storageUri !== "")
    return standaloneConfig(told.storageUri, told.modelName === "" ? {} : { name: told.modelName });
  throw new ConfigError(
    "nothing says what to serve: set LOCKSTEP_CONFIG to a configuration file, or LOCKSTEP_STORAGE_URI to where a model is, such as s3://bucket/prefix or file:///models/digits",
  );
}
