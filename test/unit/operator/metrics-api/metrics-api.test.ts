import { afterEach, describe, expect, test } from "vitest";
import { createLogger } from "../../../../common/logger.ts";
import type { ApiServiceObject } from "../../../../operator/kube/api-services.ts";
import type { IdentityStore, StoredSecret } from "../../../../operator/kube/metrics-identity.ts";
import {
  startMetricsApi,
  type MetricsApi,
  type MetricsApiOptions,
} from "../../../../operator/metrics-api/metrics-api.ts";
import { identityOfData, makeIdentity } from "../../../../operator/metrics-api/serving-identity.ts";
import { eventually } from "../../../eventually.ts";

const SERVICE = { namespace: "lockstep-system", name: "lockstep-metrics" };
const AUTHORITY_PEM = makeIdentity(["front-proxy"], new Date()).authorityPem;
const DAY_MS = 86_400_000;
const WITHIN = { withinMs: 15_000, everyMs: 10 };

/** A Secret and two APIServices that all operators of a test have in common, as an API server would keep them. */
class SharedCluster implements IdentityStore {
  secret: StoredSecret | undefined;
  writes = 0;
  readonly bundles: (string | undefined)[] = [];
  readonly apiServices: MetricsApiOptions["apiServices"] = {
    get: (name) => Promise.resolve(this.#apiService(name)),
    setCaBundle: ({ metadata }, caBundlePem) => {
      this.bundles.push(caBundlePem);
      this.#bundleOf.set(metadata.name, Buffer.from(caBundlePem).toString("base64"));
      return Promise.resolve("written");
    },
  };
  readonly #bundleOf = new Map<string, string>();

  #apiService(name: string): ApiServiceObject {
    const caBundle = this.#bundleOf.get(name);
    const spec = { service: SERVICE, ...(caBundle !== undefined && { caBundle }) };
    return { apiVersion: "apiregistration.k8s.io/v1", kind: "APIService", metadata: { name }, spec };
  }

  async read(): Promise<StoredSecret | undefined> {
    const found = this.secret;
    // As over a network: others are asked between.
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    return found;
  }

  write(data: Readonly<Record<string, string>>, known: StoredSecret | undefined): Promise<"written" | "conflict"> {
    if (known?.resourceVersion !== this.secret?.resourceVersion) return Promise.resolve("conflict");
    this.secret = { data, resourceVersion: String(++this.writes) };
    return Promise.resolve("written");
  }

  get certificate(): string | undefined {
    return identityOfData(this.secret?.data)?.current.certificatePem;
  }
}

const running: MetricsApi[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((api) => api.close()));
});

async function start(cluster: SharedCluster, change: Partial<MetricsApiOptions> = {}): Promise<MetricsApi> {
  const api = await startMetricsApi({
    port: 0,
    service: SERVICE,
    clusterDomain: "cluster.local",
    store: cluster,
    apiServices: cluster.apiServices,
    readFrontProxy: () => Promise.resolve({}),
    isLeader: () => false,
    view: () => {
      throw new Error("nobody asks");
    },
    answered: () => {},
    logger: createLogger({ name: "test", level: "silent" }),
    refreshIntervalMs: 10,
    ...change,
  });
  running.push(api);
  return api;
}

const hasCertificate = (api: MetricsApi): Promise<Date> =>
  eventually("a certificate", () => Promise.resolve(api.certificateNotAfter()), WITHIN);

describe("replicas of the operator", () => {
  test("that start at the same time have one certificate", async () => {
    const cluster = new SharedCluster();
    const apis = await Promise.all(Array.from({ length: 5 }, () => start(cluster)));
    const dates = await Promise.all(apis.map(hasCertificate));
    expect(cluster.writes).toBe(1);
    expect(new Set(dates.map((date) => date.getTime())).size).toBe(1);
  });

  test("leave what is old to the leader, which tells API servers before it serves what is new", async () => {
    const cluster = new SharedCluster();
    let nowMs = Date.now();
    const now = (): Date => new Date(nowMs);
    let isLeader = false;
    const follower = await start(cluster, { now });
    const first = (await hasCertificate(follower)).getTime();
    nowMs += 250 * DAY_MS;
    const leader = await start(cluster, { now, isLeader: () => isLeader });
    await hasCertificate(leader);
    expect(cluster.writes).toBe(1);
    expect(cluster.bundles).toEqual([]);

    isLeader = true;
    const before = cluster.certificate;
    await eventually("a successor", () => Promise.resolve(cluster.secret?.data["next.crt"]), WITHIN);
    expect(cluster.certificate).toBe(before);
    nowMs += DAY_MS;
    await eventually(
      "the successor in use everywhere",
      () => {
        const dates = [follower, leader].map((api) => api.certificateNotAfter()?.getTime() ?? 0);
        return Promise.resolve(dates.every((date) => date > first) ? true : undefined);
      },
      WITHIN,
    );
    expect(cluster.writes).toBe(3);
    const { trusted = [] } = identityOfData(cluster.secret?.data) ?? {};
    expect(cluster.bundles.at(-1)).toBe(trusted.join(""));
    expect(trusted).toHaveLength(2);
  });

  test("do not serve what API servers cannot know", async () => {
    const cluster = new SharedCluster();
    let nowMs = Date.now();
    const refused = { ...cluster.apiServices, setCaBundle: () => Promise.reject(new Error("forbidden")) };
    const api = await start(cluster, { now: () => new Date(nowMs), isLeader: () => true, apiServices: refused });
    const first = (await hasCertificate(api)).getTime();
    nowMs += 250 * DAY_MS;
    await eventually("a successor", () => Promise.resolve(cluster.secret?.data["next.crt"]), WITHIN);
    nowMs += DAY_MS;
    let rounds = 0;
    const counted = await start(cluster, {
      now: () => new Date(nowMs),
      readFrontProxy: () => Promise.resolve({ round: String(rounds++) }),
    });
    await eventually("ten rounds", () => Promise.resolve(rounds >= 10 ? true : undefined), WITHIN);
    expect(api.certificateNotAfter()?.getTime()).toBe(first);
    expect(counted.certificateNotAfter()?.getTime()).toBe(first);
  });
});

test("who comes to lead registers the API at once", async () => {
  const cluster = new SharedCluster();
  let isLeader = false;
  const api = await start(cluster, { isLeader: () => isLeader, refreshIntervalMs: 3_600_000 });
  await hasCertificate(api);
  expect([...api.registrations()]).toEqual([]);
  isLeader = true;
  await eventually("two registrations", () => Promise.resolve(api.registrations().size === 2 || undefined), WITHIN);
  expect([...api.registrations().values()]).toEqual(["current", "current"]);
});

test("what fails again and again is told once, and that it works again", async () => {
  const lines: { readonly what?: string; readonly msg: string }[] = [];
  const write = (line: string): void => void lines.push(JSON.parse(line) as (typeof lines)[number]);
  let rounds = 0;
  let isBroken = true;
  await start(new SharedCluster(), {
    logger: createLogger({ name: "test", level: "info", destination: { write } }),
    readFrontProxy: () => {
      rounds++;
      if (isBroken) return Promise.reject(new Error("no way"));
      return Promise.resolve({ "requestheader-client-ca-file": AUTHORITY_PEM });
    },
  });
  const ofFrontProxy = () => lines.filter(({ what }) => what === "front proxy").map(({ msg }) => msg);
  await eventually("five rounds", () => Promise.resolve(rounds >= 5 ? true : undefined), WITHIN);
  expect(ofFrontProxy()).toEqual(["metrics API: this failed"]);
  isBroken = false;
  await eventually("the other line", () => Promise.resolve(ofFrontProxy()[1]), WITHIN);
  expect(ofFrontProxy()).toEqual(["metrics API: this failed", "metrics API: it works again"]);
});
