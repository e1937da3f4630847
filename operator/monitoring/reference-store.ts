import * as z from "zod";
import { parseProfile, type Profile } from "../../common/drift/profile.ts";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import { driftReferencesName } from "../api/names.ts";
import { ownedMetadata } from "../desired/owned-object.ts";
import type { Cluster } from "../kube/cluster.ts";
import { controllerOf, type KubeObject } from "../kube/object.ts";

/** What the data of a version looked like at first. */
export interface LearnedReference {
  readonly version: number;
  /** Of the version's files; empty where replicas tell none. Other files need another reference. */
  readonly digest: string;
  readonly profile: Profile;
}

/** References, and what must still be so for them to be replaced. */
export interface StoredReferences {
  readonly references: readonly LearnedReference[];
  /** The learning that they are of; undefined: the first one. */
  readonly relearn: string | undefined;
  /** Undefined: there are none yet. */
  readonly resourceVersion: string | undefined;
}

/** A profile takes so many bytes of its ConfigMap at most: two of them are well under what one may have, 1 MiB. */
const MAX_PROFILE_BYTES = 400_000;

const stored = z.array(z.object({ version: z.int().min(0), digest: z.string(), profile: z.json() }));
type ReferencesObject = KubeObject & { readonly data?: Readonly<Record<string, string>> };

const CONFIG_MAP = { apiVersion: "v1", kind: "ConfigMap" } as const;
const KEY = "references.json";
const RELEARN_KEY = "relearn";

/** Where learned references are kept: a ConfigMap beside each InferenceService, which goes with it. */
export class ReferenceStore {
  readonly #cluster: Pick<Cluster, "get" | "create" | "replace">;

  constructor(cluster: Pick<Cluster, "get" | "create" | "replace">) {
    this.#cluster = cluster;
  }

  /** As they are now. What cannot be read is none: it is learned again. Throws where the object is somebody else's. */
  async read(isvc: InferenceService, signal: AbortSignal): Promise<StoredReferences> {
    const name = driftReferencesName(isvc.metadata.name);
    const { namespace = "default" } = isvc.metadata;
    const found = await this.#cluster.get<ReferencesObject>({ ...CONFIG_MAP, namespace, name }, signal);
    if (found === undefined) return { references: [], relearn: undefined, resourceVersion: undefined };
    // Of an InferenceService of the same name that was deleted just now: the garbage collector is about to remove it.
    if (controllerOf(found)?.uid !== isvc.metadata.uid) throw new Error(`ConfigMap ${name} belongs to somebody else`);
    return {
      references: referencesOf(found.data?.[KEY]),
      relearn: found.data?.[RELEARN_KEY],
      resourceVersion: found.metadata.resourceVersion ?? "",
    };
  }

  /** Writes `next` in the place of `before`. Undefined: somebody was quicker. */
  async write(
    isvc: InferenceService,
    next: Omit<StoredReferences, "resourceVersion">,
    before: StoredReferences,
    signal: AbortSignal,
  ): Promise<StoredReferences | undefined> {
    const metadata = ownedMetadata(isvc, driftReferencesName(isvc.metadata.name));
    const { references, relearn } = next;
    const data = { [KEY]: JSON.stringify(references), ...(relearn !== undefined && { [RELEARN_KEY]: relearn }) };
    const object: ReferencesObject = { ...CONFIG_MAP, metadata, data };
    const { resourceVersion } = before;
    if (resourceVersion === undefined) {
      const created = await this.#cluster.create(object, signal);
      return created.kind === "created" ? storedAs(next, created.object) : undefined;
    }
    const replacement = { ...object, metadata: { ...metadata, resourceVersion } };
    const replaced = await this.#cluster.replace(replacement, signal);
    return replaced.kind === "replaced" ? storedAs(next, replaced.object) : undefined;
  }
}

/** As much of a profile as has room: of its features the first half, or the half of that, and so on. */
export function fittingProfile(profile: Profile, maxBytes: number = MAX_PROFILE_BYTES): Profile {
  const { features } = profile;
  if (features.length === 0 || Buffer.byteLength(JSON.stringify(profile)) <= maxBytes) return profile;
  return fittingProfile({ ...profile, features: features.slice(0, Math.floor(features.length / 2)) }, maxBytes);
}

function storedAs(next: Omit<StoredReferences, "resourceVersion">, { metadata }: KubeObject): StoredReferences {
  return { ...next, resourceVersion: metadata.resourceVersion ?? "" };
}

function referencesOf(text: string | undefined): LearnedReference[] {
  try {
    return stored
      .parse(JSON.parse(text ?? "[]"))
      .map(({ profile, ...rest }) => ({ ...rest, profile: parseProfile(profile) }));
  } catch {
    return [];
  }
}
