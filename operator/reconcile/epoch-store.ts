import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import { epochRecordName } from "../api/names.ts";
import { ownedMetadata } from "../desired/owned-object.ts";
import type { Cluster } from "../kube/cluster.ts";
import { controllerOf, type KubeObject } from "../kube/object.ts";
import { parseEpochRecord, type EpochRecord } from "../rollout/epoch-record.ts";

/** A record, and what must still be so for it to be replaced. */
export interface StoredRecord {
  readonly record: EpochRecord;
  readonly resourceVersion: string;
}

/** Where records are kept: a ConfigMap beside each InferenceService, which goes with it. */
export class EpochStore {
  readonly #cluster: Cluster;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** The record as it is now: no cache is asked. Undefined where there is none. Throws for one that cannot be read. */
  async read(isvc: InferenceService, signal: AbortSignal): Promise<StoredRecord | undefined> {
    const name = epochRecordName(isvc.metadata.name);
    const { namespace = "default" } = isvc.metadata;
    const found = await this.#cluster.get<RecordObject>({ ...CONFIG_MAP, namespace, name }, signal);
    if (found === undefined) return undefined;
    // Of an InferenceService of the same name that was deleted just now: the garbage collector is about to remove it.
    if (controllerOf(found)?.uid !== isvc.metadata.uid) throw new Error(`ConfigMap ${name} belongs to somebody else`);
    return storedOf(found);
  }

  /**
   * Writes a record in the place of `before`, or the first one. Undefined: somebody was quicker. What it throws leaves open
   * whether it was written, or will be.
   */
  async write(
    isvc: InferenceService,
    record: EpochRecord,
    before: StoredRecord | undefined,
    signal: AbortSignal,
  ): Promise<StoredRecord | undefined> {
    const object = configMapOf(isvc, record);
    if (before === undefined) {
      const created = await this.#cluster.create(object, signal);
      return created.kind === "created" ? storedOf(created.object) : undefined;
    }
    const { resourceVersion } = before;
    const replaced = await this.#cluster.replace(
      { ...object, metadata: { ...object.metadata, resourceVersion } },
      signal,
    );
    return replaced.kind === "replaced" ? storedOf(replaced.object) : undefined;
  }
}

type RecordObject = KubeObject & { readonly data?: Readonly<Record<string, string>> };

const CONFIG_MAP = { apiVersion: "v1", kind: "ConfigMap" } as const;
const KEY = "record.json";

function configMapOf(isvc: InferenceService, record: EpochRecord): RecordObject {
  const metadata = ownedMetadata(isvc, epochRecordName(isvc.metadata.name));
  return { ...CONFIG_MAP, metadata, data: { [KEY]: JSON.stringify(record) } };
}

function storedOf({ metadata, data }: RecordObject): StoredRecord {
  return { record: parseEpochRecord(data?.[KEY] ?? ""), resourceVersion: metadata.resourceVersion ?? "" };
}
