import type { InferenceService, InferenceServiceStatus, StatusDrift } from "../../common/inferenceservice.gen.ts";
import type { Logger } from "../../common/logger.ts";
import { ConfigError } from "../../common/runtime-config.ts";
import type { ConnectionBalancer } from "../balance/connection-balancer.ts";
import type { OperatorConfig } from "../config.ts";
import type { Clock } from "../controller/clock.ts";
import type { Result } from "../controller/worker.ts";
import { desiredObjects, type DesiredObjects, type OperatorIdentity } from "../desired/desired-objects.ts";
import { HostPathRefusedError } from "../desired/model-cache.ts";
import { ApiError, type Cluster } from "../kube/cluster.ts";
import { controllerOf, referenceTo, type KubeObject } from "../kube/object.ts";
import { isInactive } from "../observed/autoscaler-trouble.ts";
import { computeStatus, isAlive } from "../observed/compute-status.ts";
import type { AutoscalerObject, DeploymentObject, PodObject, Violation } from "../observed/observation.ts";
import { isReady, mayRun } from "../observed/replica-failure.ts";
import type { Replicas } from "../replicas/replicas.ts";
import type { RolloutView } from "../rollout/rollout-view.ts";
import { eventsOf } from "./events.ts";
import { planWrites, type Step } from "./plan.ts";
import type { RolloutDriver } from "./rollout-driver.ts";
import { ProgressPacer } from "./progress-pacer.ts";
import type { Sleeper, SleeperContext } from "./sleeper.ts";
import type { World } from "./world.ts";

export interface ReconcilerOptions {
  readonly world: World;
  readonly cluster: Cluster;
  readonly replicas: Pick<Replicas, "observe">;
  readonly balancer: Pick<ConnectionBalancer, "observe" | "forget">;
  readonly rollouts: Pick<RolloutDriver, "advance" | "forget">;
  readonly sleeper: Pick<Sleeper, "advance" | "forget">;
  /** What is known of drift. */
  readonly monitoring: { driftOf(key: string): StatusDrift | "Unknown" | undefined };
  readonly operator: OperatorIdentity;
  readonly config: OperatorConfig;
  readonly logger: Logger;
  /** For how long ago something was seen here. */
  readonly clock: Pick<Clock, "nowMs">;
  /** The wall clock, by which the times in a status are. */
  readonly now: () => Date;
}

/** While replicas are on their way they are asked this often; what they say is in the status well within 10 s. */
const POLL_MS = 2_000;
/** The same for replicas that have not made it for {@link PATIENCE_MS}. */
const SLOW_POLL_MS = 10_000;
const PATIENCE_MS = 10 * 60_000;
/** What the API server refused is tried again this often, in case a quota or a rule has changed. */
const REFUSED_RETRY_MS = 30_000;
/** An autoscaler that says it cannot work is looked at this often, as that becomes a fault only by lasting. */
const INACTIVE_RECHECK_MS = 30_000;
/** So many events are remembered for each InferenceService: more than can be news at a time. */
const MAX_TOLD = 64;

/** What came of the steps of a plan. */
interface Written {
  readonly deployment: DeploymentObject | undefined;
  readonly violations: readonly Violation[];
  /** What the API server could not do now. */
  readonly trouble: unknown;
  /** An object of the InferenceService that had the name before is still being deleted. */
  readonly waits: boolean;
}

/**
 * Makes one InferenceService so: get, gather, plan, write, observe, status. It starts from what is there every time, so
 * that being ended at any point and called again leads to the same. Throws what the API server's troubles throw, after the
 * status has been written if that was possible.
 */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  /** Names of events that were recorded, by uid of the InferenceService. */
  readonly #told = new Map<string, Set<string>>();
  readonly #pacer = new ProgressPacer();
  /** Uids of what lies in a namespace that is being deleted: that never comes back, and takes nothing new. */
  readonly #ending = new Set<string>();
  /** Uids by key, to forget what is remembered when an InferenceService is gone. */
  readonly #uids = new Map<string, string>();

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  /** Reconciles the InferenceService `NAMESPACE/NAME`. */
  async reconcile(key: string, signal: AbortSignal): Promise<Result> {
    const isvc = this.#options.world.inferenceService(key);
    const uid = isvc?.metadata.uid;
    this.#remember(key, uid);
    // What belongs to an InferenceService goes with it: the API server's garbage collector sees to that.
    if (isvc === undefined || uid === undefined || isvc.metadata.deletionTimestamp !== undefined) return {};
    if (this.#ending.has(uid)) return {};
    try {
      return await this.#reconcile(key, isvc, signal);
    } catch (error) {
      if (!isNamespaceEnd(error)) throw error;
      this.#ending.add(uid);
      return {};
    }
  }

  async #reconcile(key: string, isvc: InferenceService, signal: AbortSignal): Promise<Result> {
    const { world, config, clock, now } = this.#options;
    const logger = this.#options.logger.child({ inferenceService: key });
    const owned = world.ownedBy(isvc.metadata.uid ?? "");
    const pods = world.podsOf(key);
    this.#options.balancer.observe(key, pods);
    const plan = this.#plan(isvc, owned, pods);
    const written = await this.#write(plan.steps, logger, signal);
    const autoscaler = owned.find(isAutoscaler);
    const rollout = plan.desired === undefined ? {} : await this.#advance(isvc, pods, logger, signal);
    const isSwitching = rollout.view?.rollout.phase !== "Idle";
    const { deployment } = written;
    const sleep = await this.#sleep({ key, isvc, owned, pods, deployment, isSwitching, logger, signal });
    const replicas = this.#options.replicas.observe(pods);
    const computed = computeStatus(
      {
        isvc,
        deployment,
        autoscaler,
        autoscalerObstacle: plan.desired?.autoscalerObstacle,
        replicas,
        revision: plan.desired?.revision,
        rollout: rollout.view,
        drift: this.#options.monitoring.driftOf(key),
        violations: [...plan.violations, ...written.violations],
      },
      now(),
      config.LOCKSTEP_CLUSTER_DOMAIN,
    );
    const status = this.#pacer.pace(isvc.metadata.uid ?? "", isvc.status, computed, clock.nowMs());
    const outcome = await this.#options.cluster.applyStatus({ ...isvc, metadata: isvc.metadata }, status, signal);
    if (outcome.kind === "updated" || outcome.kind === "unchanged") await this.#tell(isvc, status, logger, signal);
    const trouble = written.trouble ?? rollout.trouble ?? sleep.trouble;
    if (trouble !== undefined) throw trouble;

    if (outcome.kind === "gone") return {};
    const delays: (number | undefined)[] = [rollout.requeueAfterMs, sleep.requeueAfterMs];
    if (outcome.kind === "conflict" || written.waits) delays.push(POLL_MS);
    else if (written.violations.length > 0) delays.push(REFUSED_RETRY_MS);
    else if (!pods.filter(isAlive).every(isReady)) delays.push(pollDelayMs(status, now()));
    else if (isInactive(autoscaler)) delays.push(INACTIVE_RECHECK_MS);
    const wanted = delays.filter((delayMs) => delayMs !== undefined);
    return wanted.length === 0 ? {} : { requeueAfterMs: Math.min(...wanted) };
  }

  /** Goes on with the versions; what the API server cannot do now is trouble, of which the status does not depend. */
  async #advance(
    isvc: InferenceService,
    pods: readonly PodObject[],
    logger: Logger,
    signal: AbortSignal,
  ): Promise<{
    readonly view?: RolloutView;
    readonly requeueAfterMs?: number | undefined;
    readonly trouble?: unknown;
  }> {
    if (!pods.some(mayRun)) return {};
    try {
      return await this.#options.rollouts.advance(isvc, pods, logger, signal);
    } catch (trouble) {
      signal.throwIfAborted();
      return { trouble };
    }
  }

  /** Sends it to sleep, or covers for it; trouble as in {@link #advance}. */
  async #sleep(context: SleeperContext): Promise<{ readonly requeueAfterMs?: number; readonly trouble?: unknown }> {
    try {
      return await this.#options.sleeper.advance(context);
    } catch (trouble) {
      context.signal.throwIfAborted();
      return { trouble };
    }
  }

  #plan(
    isvc: InferenceService,
    owned: readonly KubeObject[],
    pods: readonly PodObject[],
  ): { desired?: DesiredObjects; steps: readonly Step[]; violations: readonly Violation[] } {
    try {
      const desired = desiredObjects(isvc, this.#options.config, this.#options.operator);
      return { desired, steps: planWrites(desired, owned, pods), violations: [] };
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      const reason = error instanceof HostPathRefusedError ? "HostPathRefused" : "ConfigInvalid";
      return { steps: [], violations: [{ reason, message: error.message }] };
    }
  }

  /** Takes all the steps that can be taken; what the API server refuses is a violation, what it cannot do now is trouble. */
  async #write(steps: readonly Step[], logger: Logger, signal: AbortSignal): Promise<Written> {
    const { cluster } = this.#options;
    let deployment: DeploymentObject | undefined;
    const violations: Violation[] = [];
    let trouble: unknown;
    let waits = false;
    for (const step of steps) {
      const what = `${step.object.kind} ${step.object.metadata.name}`;
      try {
        if (step.kind === "delete") {
          await cluster.delete(referenceTo(step.object), { uid: step.object.metadata.uid ?? "" }, signal);
          logger.info({ object: what }, "object deleted");
          continue;
        }
        const { object, live, handOver } = step;
        const result = await cluster.apply<DeploymentObject & Step["object"]>(object, { live, handOver, signal });
        if (result.kind === "notOwned") {
          if (isOfPredecessor(result.object, object)) waits = true;
          else violations.push({ reason: "ObjectConflict", message: `${what} exists and belongs to somebody else` });
          continue;
        }
        if (result.kind !== "unchanged") logger.info({ object: what }, `object ${result.kind}`);
        if (result.object.kind === "Deployment") deployment = result.object;
      } catch (error) {
        signal.throwIfAborted();
        if (isNamespaceEnd(error)) throw error;
        if (isRefusal(error)) violations.push({ reason: "ObjectRefused", message: `${what}: ${error.message}` });
        else trouble ??= error;
      }
    }
    return { deployment, violations, trouble, waits };
  }

  async #tell(
    isvc: InferenceService,
    status: InferenceServiceStatus,
    logger: Logger,
    signal: AbortSignal,
  ): Promise<void> {
    const { cluster, now } = this.#options;
    const uid = isvc.metadata.uid ?? "";
    const told = this.#told.get(uid) ?? new Set<string>();
    this.#told.set(uid, told);
    for (const event of eventsOf(isvc, status, now())) {
      if (told.has(event.name)) continue;
      try {
        await cluster.createEvent(event, signal);
        logger.info({ reason: event.reason, note: event.note }, "state changed");
      } catch (error) {
        // The status says the same: an event that nobody takes must not keep the InferenceService from its reconciles.
        if (isNamespaceEnd(error) || !isRefusal(error)) throw error;
        logger.warn({ reason: event.reason, err: error }, "event was refused");
      }
      told.add(event.name);
      for (const name of told) {
        if (told.size <= MAX_TOLD) break;
        told.delete(name);
      }
    }
  }

  /** Keeps what is remembered to InferenceServices that exist. */
  #remember(key: string, uid: string | undefined): void {
    const before = this.#uids.get(key);
    if (before === uid) return;
    if (before !== undefined) {
      this.#told.delete(before);
      this.#options.rollouts.forget(before);
      this.#options.balancer.forget(key);
      this.#options.sleeper.forget(key);
      this.#pacer.forget(before);
      this.#ending.delete(before);
    }
    if (uid === undefined) this.#uids.delete(key);
    else this.#uids.set(key, uid);
  }
}

function pollDelayMs(status: InferenceServiceStatus, now: Date): number {
  const ready = status.conditions?.find(({ type }) => type === "Ready");
  const isLasting = ready !== undefined && now.getTime() - Date.parse(ready.lastTransitionTime) > PATIENCE_MS;
  return isLasting ? SLOW_POLL_MS : POLL_MS;
}

/** Whether the API server understood and said no: to ask again without a change of the spec would be useless. */
function isRefusal(error: unknown): error is ApiError {
  if (!(error instanceof ApiError)) return false;
  // A field that does not exist, which affinity may hold, is an internal error to server-side apply.
  return [400, 403, 404, 422].includes(error.status) || error.message.includes("field not declared in schema");
}

/** Whether the API server takes nothing new because the namespace goes; the InferenceService goes with it. */
function isNamespaceEnd(error: unknown): boolean {
  return error instanceof ApiError && error.causes.includes("NamespaceTerminating");
}

/**
 * Whether an object belongs to an InferenceService of the same name that was deleted just now. The garbage collector is
 * about to remove it, which the informers will tell.
 */
function isOfPredecessor(live: KubeObject, desired: KubeObject): boolean {
  const [theirs, ours] = [controllerOf(live), controllerOf(desired)];
  return theirs?.kind === ours?.kind && theirs?.apiVersion === ours?.apiVersion && theirs?.name === ours?.name;
}

function isAutoscaler(object: KubeObject): object is KubeObject & AutoscalerObject {
  return object.kind === "HorizontalPodAutoscaler";
}
