import { basename, join, resolve as resolvePath } from "node:path";
import type { Environment } from "../../common/environment.ts";
import type { ModelConfig } from "../../common/runtime-config.ts";
import { createAzblobStore } from "./azblob-store.ts";
import { createGcsStore } from "./gcs-store.ts";
import { missingKeys } from "../../common/storage-schemes.ts";
import { createHfStore } from "./hf-store.ts";
import type { HttpClient } from "./http-client.ts";
import { createHttpStore } from "./http-store.ts";
import { createLocalStore } from "./local-store.ts";
import type { ObjectStore } from "./object-store.ts";
import { createMlflowStore } from "./mlflow-store.ts";
import { createOciStore } from "./oci-store.ts";
import type { BasePath } from "./repository-layout.ts";
import { createS3Store } from "./s3-store.ts";
import { StorageFailure } from "./storage-failure.ts";
import { parseStorageUri, StorageUriError, type StorageUri } from "./storage-uri.ts";

/** What stores are opened with. Nothing of it is disposed of by them. */
export interface StoreContext {
  /** Where credentials are. */
  readonly environment: Environment;
  /** Of the Secret from which they should come; empty if none was named, or its keys are known to be there. */
  readonly secretName: string;
  /** Folder in which claims are mounted. */
  readonly pvcRoot: string;
  readonly http: HttpClient;
  /** Without forbidden networks, for a cloud's metadata server alone. */
  readonly metadataHttp: HttpClient;
}

/** Opens the place that a model's configuration names, or says why it cannot be meant. Does no I/O. */
export function openBasePath(
  { storageUri, storage }: Pick<ModelConfig, "storageUri" | "storage">,
  { environment, secretName, pvcRoot, http, metadataHttp }: StoreContext,
): BasePath | StorageFailure {
  let uri: StorageUri;
  try {
    uri = parseStorageUri(storageUri);
  } catch (error) {
    if (error instanceof StorageUriError) return new StorageFailure("StorageNotFound", error.message, { cause: error });
    throw error;
  }
  const missing = secretName === "" ? undefined : missingKeys(storageUri, environment);
  if (missing !== undefined)
    return new StorageFailure(
      "StorageAccessDenied",
      `Secret "${secretName}" of storage.secretRef has no key that ${uri.kind}:// takes: expected ${missing}`,
    );
  switch (uri.kind) {
    case "s3":
      return {
        kind: "any",
        store: createS3Store({ bucket: uri.bucket, storage, environment, http }),
        key: uri.prefix,
      };
    case "gs":
      return {
        kind: "any",
        store: createGcsStore({ bucket: uri.bucket, storage, environment, http, metadataHttp }),
        key: uri.prefix,
      };
    case "azblob": {
      const { account, container, path } = uri;
      return {
        kind: "any",
        store: createAzblobStore({ account, container, storage, environment, http, metadataHttp }),
        key: path,
      };
    }
    case "oci": {
      const { registry, repository, reference } = uri;
      return {
        kind: "any",
        store: createOciStore({ registry, repository, reference, storage, environment, http }),
        key: "",
      };
    }
    case "hf": {
      const { repository, revision, path } = uri;
      return {
        kind: "any",
        store: createHfStore({ repository, revision, storage, environment, http }),
        key: path,
      };
    }
    case "mlflow": {
      const { name, selection } = uri;
      return { kind: "any", store: createMlflowStore({ name, selection, storage, environment, http }), key: "" };
    }
    case "http":
      return { kind: "file", store: createHttpStore({ url: uri.url, http }), key: basename(uri.url.pathname) };
    case "pvc":
      return { kind: "any", store: openClaim(uri.claim, pvcRoot), key: uri.path };
    case "file":
      break;
  }
  return { kind: "any", store: openFolder(uri.path), key: "" };
}

/** Everything in the claim may be linked to within the claim. */
function openClaim(claim: string, pvcRoot: string): ObjectStore {
  return createLocalStore({
    root: join(resolvePath(pvcRoot), claim),
    shownAs: `pvc://${claim}`,
    missingRoot: `claim "${claim}" is not mounted into the replica`,
  });
}

/** What is named may itself be reached by links, as its author chose; what lies in it may not lead out. */
function openFolder(path: string): ObjectStore {
  return createLocalStore({
    root: path,
    shownAs: `file://${path}`,
    missingRoot: `file://${path} does not exist in the replica's file system`,
  });
}
