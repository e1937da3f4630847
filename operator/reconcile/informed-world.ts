import { definedOnly } from "../../common/defined-only.ts";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import type { Logger } from "../../common/logger.ts";
import { driftReferencesName } from "../api/names.ts";
import { MANAGED_BY, SERVICE_LABEL, SLICE_MANAGED_BY } from "../api/labels.ts";
import { Informer } from "../controller/informer.ts";
import { keyOf } from "../controller/list-watch.ts";
import type { KubeClient } from "../kube/client.ts";
import { forCache } from "../kube/digest.ts";
import { createListWatch } from "../kube/list-watch.ts";
import { controllerOf, type KubeObject } from "../kube/object.ts";
import { RESOURCES, type Resource } from "../kube/resources.ts";
import type { PodObject, PodVolume } from "../observed/observation.ts";
import type { World } from "./world.ts";

/** The kinds that the operator makes. */
const OWNED = [
  RESOURCES.deployments,
  RESOURCES.services,
  RESOURCES.configMaps,
  RESOURCES.horizontalPodAutoscalers,
  RESOURCES.podDisruptionBudgets,
  RESOURCES.networkPolicies,
] as const;

const OURS = `${MANAGED_BY.key}=${MANAGED_BY.value}`;
/** Of EndpointSlices, those of the activator alone: Kubernetes' own carry the labels of their Service, and are many. */
const OF_ACTIVATOR = `${SLICE_MANAGED_BY.key}=${SLICE_MANAGED_BY.value}`;
const BY_OWNER = "owner";
const BY_SERVICE = "service";
const BY_NAMESPACE = "namespace";

export interface InformedWorldOptions {
  readonly client: KubeClient;
  /** Namespaces to watch; none means all. */
  readonly namespaces: readonly string[];
  readonly logger: Logger;
  /** Hears the key `NAMESPACE/NAME` of each InferenceService about which something has changed. */
  readonly changed: (key: string) => void;
  /** Hears of pods that are gone. */
  readonly podGone: (uid: string) => void;
}

/** The world as informers see it. */
export interface InformedWorld extends World {
  start(): void;
  stop(): Promise<void>;
  waitForSync(signal: AbortSignal): Promise<void>;
  inferenceServices(): readonly InferenceService[];
  /** The replicas of all InferenceServices in a namespace. */
  podsIn(namespace: string): readonly PodObject[];
  /** Kind and age in ms of each watch. */
  watches(): (readonly [kind: string, ageMs: number])[];
  /** Names of kinds whose view is not to be trusted now. */
  staleKinds(): string[];
}

/** Watches InferenceServices and whatever carries the operator's label, and says which InferenceService each change is about. */
export function createInformedWorld(options: InformedWorldOptions): InformedWorld {
  const { client, namespaces, logger, changed } = options;

  function informer<T extends KubeObject>(
    resource: Resource,
    settings: {
      readonly transform: (object: T) => T;
      readonly indexes?: Readonly<Record<string, (object: T) => readonly string[]>>;
      /** Undefined: all. */
      readonly labelSelector: string | undefined;
    },
  ): Informer<T> {
    const { transform, indexes = {} } = settings;
    const labelSelector = definedOnly({ labelSelector: settings.labelSelector });
    const places = namespaces.length === 0 ? [{}] : namespaces.map((namespace) => ({ namespace }));
    return new Informer<T>({
      sources: places.map((place) => createListWatch<T>(client, { resource, ...labelSelector, ...place })),
      logger: logger.child({ kind: resource.kind }),
      transform,
      indexes,
    });
  }

  const services = informer<InferenceService & KubeObject>(RESOURCES.inferenceServices, {
    transform: forCache,
    labelSelector: undefined,
  });
  const ofOwner = (
    resource: Resource,
    labelSelector: string,
  ): { resource: Resource; informer: Informer<KubeObject> } => ({
    resource,
    informer: informer<KubeObject>(resource, {
      transform: (object) => forCache(withoutReferences(object)),
      indexes: { [BY_OWNER]: (object) => [controllerOf(object)?.uid ?? ""] },
      labelSelector,
    }),
  });
  const slices = ofOwner(RESOURCES.endpointSlices, OF_ACTIVATOR);
  const owned = [...OWNED.map((resource) => ofOwner(resource, OURS)), slices];
  const pods = informer<PodObject & KubeObject>(RESOURCES.pods, {
    transform: slimPod,
    indexes: {
      [BY_SERVICE]: (pod) => [keyOfService(pod)],
      [BY_NAMESPACE]: (pod) => [pod.metadata.namespace ?? ""],
    },
    labelSelector: OURS,
  });
  const all = [
    { resource: RESOURCES.inferenceServices, informer: services },
    ...owned,
    { resource: RESOURCES.pods, informer: pods },
  ];

  services.addHandler({ changed: (old, current) => tell(current ?? old, keyOf) });
  for (const { informer: children } of owned) {
    children.addHandler({ changed: (old, current) => tell(current ?? old, keyOfService) });
  }
  pods.addHandler({
    changed: (old, current) => {
      if (current === undefined && old?.metadata.uid !== undefined) options.podGone(old.metadata.uid);
      tell(current ?? old, keyOfService);
    },
  });

  function tell<T extends KubeObject>(object: T | undefined, key: (object: T) => string): void {
    if (object !== undefined) changed(key(object));
  }

  return {
    inferenceService: (key) => services.get(key),
    ownedBy: (uid) => owned.flatMap(({ informer: children }) => children.byIndex(BY_OWNER, uid)),
    podsOf: (key) => pods.byIndex(BY_SERVICE, key),
    activatorSlices: () => slices.informer.list(),
    inferenceServices: () => services.list(),
    podsIn: (namespace) => pods.byIndex(BY_NAMESPACE, namespace),
    start: () => {
      for (const { informer: one } of all) one.start();
    },
    stop: async () => {
      await Promise.all(all.map(({ informer: one }) => one.stop()));
    },
    waitForSync: async (signal) => {
      await Promise.all(all.map(({ informer: one }) => one.waitForSync(signal)));
    },
    watches: () => all.map(({ resource, informer: one }) => [resource.kind, one.lastActivityAgeMs()] as const),
    staleKinds: () => all.filter(({ informer: one }) => !one.isHealthy()).map(({ resource }) => resource.kind),
  };
}

/** The InferenceService that an object of ours names. */
export function keyOfService(object: Pick<KubeObject, "metadata">): string {
  return `${object.metadata.namespace ?? ""}/${object.metadata.labels?.[SERVICE_LABEL] ?? ""}`;
}

/** Profiles are large, and only read where they are needed. */
function withoutReferences(object: KubeObject & { readonly data?: unknown }): KubeObject {
  const service = object.metadata.labels?.[SERVICE_LABEL] ?? "";
  if (object.kind !== "ConfigMap" || object.metadata.name !== driftReferencesName(service)) return object;
  const { data: _left, ...kept } = object;
  return kept;
}

/** Pods are many and large; this is what the operator looks at. */
function slimPod(pod: PodObject & KubeObject): PodObject & KubeObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp, deletionTimestamp, labels } = pod.metadata;
  const { phase, reason, message, podIP, conditions, initContainerStatuses, containerStatuses } = pod.status ?? {};
  return {
    apiVersion: pod.apiVersion,
    kind: pod.kind,
    metadata: {
      name,
      ...(namespace !== undefined && { namespace }),
      ...(uid !== undefined && { uid }),
      ...(resourceVersion !== undefined && { resourceVersion }),
      ...(creationTimestamp !== undefined && { creationTimestamp }),
      ...(deletionTimestamp !== undefined && { deletionTimestamp }),
      ...(labels !== undefined && { labels }),
    },
    spec: { volumes: (pod.spec?.volumes ?? []).flatMap(slimVolume) },
    status: {
      ...(phase !== undefined && { phase }),
      ...(reason !== undefined && { reason }),
      ...(message !== undefined && { message }),
      ...(podIP !== undefined && { podIP }),
      ...(conditions !== undefined && { conditions }),
      ...(initContainerStatuses !== undefined && { initContainerStatuses }),
      ...(containerStatuses !== undefined && { containerStatuses }),
    },
  };
}

/** Volumes that are other objects, by name. */
function slimVolume({ name, configMap, persistentVolumeClaim }: PodVolume): PodVolume[] {
  if (configMap !== undefined) return [{ name, configMap: { name: configMap.name ?? "" } }];
  if (persistentVolumeClaim === undefined) return [];
  return [{ name, persistentVolumeClaim: { claimName: persistentVolumeClaim.claimName } }];
}
