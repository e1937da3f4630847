import { beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../eventually.ts";
import { helm, installLockstep, OPERATOR_NAMESPACE, RELEASE } from "./installation.ts";
import { kubectl, read } from "./kubectl.ts";

interface Deployment {
  readonly metadata: { readonly name: string };
  readonly status: { readonly availableReplicas?: number };
}

beforeAll(async () => {
  const startMs = performance.now();
  await installLockstep();
  console.log(`helm install: ${Math.round(performance.now() - startMs)} ms`);
});

describe("the chart", () => {
  test("runs two operators, of which one leads", async () => {
    const deployments = await read<{ items: Deployment[] }>(OPERATOR_NAMESPACE, "deployments");
    expect(deployments?.items.map(({ status }) => status.availableReplicas)).toEqual([2]);
    const lease = await eventually(
      "a leader",
      async () => {
        const found = await read<{ spec: { holderIdentity?: string } }>(
          OPERATOR_NAMESPACE,
          "lease",
          "lockstep-operator",
        );
        return found?.spec.holderIdentity === undefined ? undefined : found;
      },
      { withinMs: 30_000 },
    );
    const pods = await read<{ items: { metadata: { name: string } }[] }>(OPERATOR_NAMESPACE, "pods");
    const leader = lease.spec.holderIdentity?.split("_")[0];
    expect(pods?.items.map(({ metadata }) => metadata.name)).toContain(leader);
  });

  test("passes its own test", async () => {
    expect(await helm(["test", RELEASE, "--namespace", OPERATOR_NAMESPACE, "--timeout", "2m"])).toContain("Succeeded");
  });

  test("taught the API server what an InferenceService is", async () => {
    // The API server publishes the schema of a new kind a few seconds after it takes objects of it.
    const explained = await eventually(
      "an explanation",
      () => kubectl(["explain", "isvc.spec.predictor.minReplicas"]),
      { withinMs: 30_000 },
    );
    expect(explained.replaceAll(/\s+/g, " ")).toContain("`kubectl scale` sets it");
  });

  test("needs little memory", async () => {
    const table = await eventually(
      "a measurement",
      async () => {
        const text = await kubectl(["top", "pods", "-n", OPERATOR_NAMESPACE, "--no-headers"]);
        return text.trim().split("\n").length >= 2 ? text : undefined;
      },
      { withinMs: 90_000, everyMs: 1000 },
    );
    console.log(`operators, CPU and memory:\n${table}`);
    const megabytes = [...table.matchAll(/(\d+)Mi/g)].map((match) => Number(match[1]));
    expect(Math.max(...megabytes)).toBeLessThan(256);
  });
});
