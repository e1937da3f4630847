import type { Logger } from "../../common/logger.ts";
import { sleep, systemClock, type Clock } from "../controller/clock.ts";
import type { ApiServices } from "../kube/api-services.ts";
import type { IdentityStore } from "../kube/metrics-identity.ts";
import { answerMetricsRequest, type MetricsView } from "./answer.ts";
import { apiServiceName, METRICS_VERSIONS } from "./api-versions.ts";
import { frontProxyTrustOf, type FrontProxyTrust } from "./front-proxy.ts";
import { startMetricsApiServer } from "./metrics-api-server.ts";
import { ownerOf, registrationState, type RegistrationState, type ServiceReference } from "./registration.ts";
import {
  identityData,
  identityOfData,
  identityStep,
  makeIdentity,
  takeIdentityStep,
  validityOf,
  type ServingIdentity,
} from "./serving-identity.ts";

/** When to look, and what time it is. */
export interface MetricsApiTiming {
  /** How often to look at certificates and registrations. Default 30 000 ms. */
  readonly refreshIntervalMs?: number;
  readonly clock?: Clock;
  /** The time by which certificates are valid. */
  readonly now?: () => Date;
}

export interface MetricsApiOptions extends MetricsApiTiming {
  /** 0 takes a free one. */
  readonly port: number;
  /** The Service by which API servers reach the operator. */
  readonly service: ServiceReference;
  /** The DNS domain of the cluster. */
  readonly clusterDomain: string;
  readonly store: IdentityStore;
  readonly apiServices: ApiServices;
  /** Reads the data of ConfigMap extension-apiserver-authentication; undefined where there is none. */
  readonly readFrontProxy: (signal: AbortSignal) => Promise<Readonly<Record<string, string>> | undefined>;
  /** The leader alone renews the certificate, and tells the API servers of it. */
  readonly isLeader: () => boolean;
  readonly view: () => MetricsView;
  /** Hears the status of every answer. */
  readonly answered: (status: number) => void;
  readonly logger: Logger;
}

/** The metrics API of one replica of the operator. */
export interface MetricsApi {
  readonly port: number;
  /** How each APIService stood when it was last looked at, by name; empty where this replica does not lead. */
  registrations(): ReadonlyMap<string, RegistrationState>;
  /** Until when the certificate that is served is valid; undefined before there is one. */
  certificateNotAfter(): Date | undefined;
  close(): Promise<void>;
}

/** Serves the metrics API, and keeps its certificate, its trust and its registration up to date until it is closed. */
export async function startMetricsApi(options: MetricsApiOptions): Promise<MetricsApi> {
  const { service, isLeader, logger, refreshIntervalMs = 30_000, clock = systemClock } = options;
  const server = await startMetricsApiServer({
    port: options.port,
    answer: (request) => answerMetricsRequest(request, options.view()),
    answered: options.answered,
  });
  const stopping = new AbortController();
  const { signal } = stopping;
  const identities = new Identities(options);
  const registrations = new Registrations(options.apiServices, logger);
  let identity: ServingIdentity | undefined;
  let trust: FrontProxyTrust | undefined;

  /** What fails is tried again with the next round, and told once. */
  const troubles = new Map<string, string>();
  const attempt = async (what: string, run: () => Promise<void>): Promise<void> => {
    try {
      await run();
      if (troubles.delete(what)) logger.info({ what }, "metrics API: it works again");
    } catch (error) {
      if (signal.aborted) return;
      const message = error instanceof Error ? error.message : String(error);
      if (troubles.get(what) !== message) logger.warn({ what, err: error }, "metrics API: this failed");
      troubles.set(what, message);
    }
  };

  const refresh = async (): Promise<void> => {
    await attempt("certificate", async () => {
      identity = (await identities.refresh(registrations.published, signal)) ?? identity;
    });
    await attempt("front proxy", async () => {
      trust = frontProxyTrustOf(await options.readFrontProxy(signal));
      if (trust === undefined) throw new Error("the API server does not say how it passes requests on");
    });
    if (identity === undefined) return;
    server.use({ identity: identity.current, trust });
    const caBundlePem = identity.trusted.join("");
    if (isLeader()) await attempt("registration", () => registrations.refresh({ service, caBundlePem }, signal));
  };

  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      const led = isLeader();
      await refresh();
      // Who comes to lead has something to do at once.
      const dueMs = clock.nowMs() + refreshIntervalMs;
      while (!signal.aborted && clock.nowMs() < dueMs && isLeader() === led)
        await sleep(clock, Math.min(LOOK_FOR_LEAD_MS, dueMs - clock.nowMs()), signal).catch(() => {});
    }
  };
  const running = run();
  return {
    port: server.port,
    registrations: () => registrations.states,
    certificateNotAfter: () => identity && validityOf(identity.current).notAfter,
    close: async () => {
      stopping.abort(new Error("the metrics API stops"));
      await Promise.all([running, server.close()]);
    },
  };
}

const LOOK_FOR_LEAD_MS = 1_000;

/** Somebody else may write between our read and our write; then we look again. */
const MAX_TRIES = 5;

/** The identity in the store: made where there is none, and renewed by the leader. */
class Identities {
  readonly #store: IdentityStore;
  readonly #dnsNames: readonly string[];
  readonly #isLeader: () => boolean;
  readonly #now: () => Date;
  readonly #logger: Logger;

  constructor({ store, service, clusterDomain, isLeader, now = () => new Date(), logger }: MetricsApiOptions) {
    const host = `${service.name}.${service.namespace}`;
    this.#store = store;
    this.#dnsNames = [`${host}.svc`, `${host}.svc.${clusterDomain}`, host];
    this.#isLeader = isLeader;
    this.#now = now;
    this.#logger = logger;
  }

  /** Undefined where there is none that could be read, and the leader must make one. `published`: the bundle that API servers know. */
  async refresh(published: string | undefined, signal: AbortSignal): Promise<ServingIdentity | undefined> {
    for (let tries = 1; tries <= MAX_TRIES; tries += 1) {
      const stored = await this.#store.read(signal);
      const identity = identityOfData(stored?.data);
      const now = this.#now();
      const dnsNames = this.#dnsNames;
      const isPublished = published !== undefined && published === identity?.trusted.join("");
      const step = identityStep(identity, { dnsNames, now, isPublished });
      const mayWrite = stored === undefined || this.#isLeader();
      if (step.kind === "keep" || !mayWrite) return identity;
      const taken = takeIdentityStep(step, identity, { now, make: () => makeIdentity(dnsNames, now) });
      if (taken === undefined) return identity;
      if ((await this.#store.write(identityData(taken), stored, signal)) === "written") {
        this.#logger.info({ step }, "metrics API: its certificate is renewed");
        return taken;
      }
    }
    throw new Error("the Secret of the certificate changes all the time");
  }
}

/** The APIService objects, as the leader sees and keeps them. */
class Registrations {
  readonly states = new Map<string, RegistrationState>();
  /** The bundle that all of our APIServices have; undefined where one has not, or that is not known. */
  published: string | undefined;
  readonly #apiServices: ApiServices;
  readonly #logger: Logger;

  constructor(apiServices: ApiServices, logger: Logger) {
    this.#apiServices = apiServices;
    this.#logger = logger;
  }

  async refresh(
    wanted: { readonly service: ServiceReference; readonly caBundlePem: string },
    signal: AbortSignal,
  ): Promise<void> {
    this.published = undefined;
    for (const version of METRICS_VERSIONS) await this.#refreshOne(apiServiceName(version), wanted, signal);
    if (![...this.states.values()].includes("stale")) this.published = wanted.caBundlePem;
  }

  async #refreshOne(
    name: string,
    wanted: { readonly service: ServiceReference; readonly caBundlePem: string },
    signal: AbortSignal,
  ): Promise<void> {
    const live = await this.#apiServices.get(name, signal);
    let state = registrationState(live, wanted);
    if (state === "stale" && live !== undefined) {
      const outcome = await this.#apiServices.setCaBundle(live, wanted.caBundlePem, signal);
      if (outcome === "written") state = "current";
    }
    if (this.states.get(name) === state) return;
    this.states.set(name, state);
    const owner = live && ownerOf(live);
    if (state === "foreign")
      this.#logger.warn({ apiService: name, owner }, "metrics API: somebody else has it, so autoscalers ask there");
    else if (state === "absent")
      this.#logger.warn({ apiService: name }, "metrics API: there is no APIService, so autoscalers cannot ask for it");
    else this.#logger.info({ apiService: name, state }, "metrics API: registered");
  }
}
