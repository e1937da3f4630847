import { driftReferencesName, epochRecordName } from "../api/names.ts";
import type { DesiredObjects } from "../desired/desired-objects.ts";
import type { OwnedDeployment, OwnedObject } from "../desired/owned-object.ts";
import type { FieldPath } from "../kube/cluster.ts";
import { controllerOf, type KubeObject } from "../kube/object.ts";
import type { DeploymentObject, PodObject } from "../observed/observation.ts";
import { isRolledOut } from "../observed/rollout.ts";

/** One write that brings the cluster closer to what is desired. */
export type Step =
  | {
      readonly kind: "apply";
      readonly object: OwnedObject;
      readonly live: KubeObject | undefined;
      readonly handOver: readonly FieldPath[];
    }
  | { readonly kind: "delete"; readonly object: KubeObject };

/** The number of replicas, which the autoscaler owns where there is one. */
const REPLICAS: FieldPath = ["spec", "replicas"];

/**
 * What to write, in order. An autoscaler that is no longer wanted goes first, so that it does not undo the number of
 * replicas that follows; whatever else is no longer wanted goes last, when what replaces it is there.
 */
export function planWrites(desired: DesiredObjects, owned: readonly KubeObject[], pods: readonly PodObject[]): Step[] {
  const wanted = new Set(desired.objects.map(identity));
  const inUse = new Set(pods.flatMap(configMapsOf));
  const surplus = owned.filter(
    (object) =>
      !wanted.has(identity(object)) &&
      object.metadata.deletionTimestamp === undefined &&
      // They are no product of the spec: they say what is served, what its data looked like, and who answers while no replica
      // is ready.
      !isRecord(object) &&
      object.kind !== "EndpointSlice" &&
      // A replica of an older revision may still restart, and then reads its configuration again.
      !(
        object.kind === "ConfigMap" &&
        (inUse.has(object.metadata.name) || !owned.filter(isDeployment).every(isRolledOut))
      ),
  );
  const remove = (object: KubeObject): Step => ({ kind: "delete", object });
  const isAutoscaler = (object: KubeObject): boolean => object.kind === "HorizontalPodAutoscaler";
  return [
    ...surplus.filter(isAutoscaler).map(remove),
    ...desired.objects.map((object): Step => {
      const live = owned.find((candidate) => identity(candidate) === identity(object));
      return object.kind === "Deployment"
        ? applyDeployment(object, live, desired)
        : { kind: "apply", object, live, handOver: [] };
    }),
    ...surplus.filter((object) => !isAutoscaler(object)).map(remove),
  ];
}

/**
 * An autoscaler leaves a Deployment without replicas alone, so a new one, and one that was stopped, starts with the least
 * number. From then on the number is the autoscaler's: the next apply hands it over. One that may sleep is left asleep.
 */
function applyDeployment(
  object: OwnedDeployment,
  live: KubeObject | undefined,
  { minReplicas, scalesToZero }: Pick<DesiredObjects, "minReplicas" | "scalesToZero">,
): Step {
  if (object.spec.replicas !== undefined) return { kind: "apply", object, live, handOver: [] };
  const isRunning = live !== undefined && isDeployment(live) && (scalesToZero || live.spec?.replicas !== 0);
  if (isRunning) return { kind: "apply", object, live, handOver: [REPLICAS] };
  const spec = Object.assign({}, object.spec, { replicas: minReplicas });
  return { kind: "apply", object: { ...object, spec }, live, handOver: [] };
}

function identity(object: { readonly kind: string; readonly metadata: { readonly name: string } }): string {
  return `${object.kind}/${object.metadata.name}`;
}

function isRecord({ kind, metadata }: KubeObject): boolean {
  const service = controllerOf({ metadata })?.name ?? "";
  return kind === "ConfigMap" && [epochRecordName(service), driftReferencesName(service)].includes(metadata.name);
}

function configMapsOf(pod: PodObject): string[] {
  return (pod.spec?.volumes ?? []).map((volume) => volume.configMap?.name).filter((name) => name !== undefined);
}

function isDeployment(object: KubeObject): object is KubeObject & DeploymentObject {
  return object.kind === "Deployment";
}
