import { expect, test } from "vitest";
import type { Monitoring, StatusDrift } from "../../../../common/inferenceservice.gen.ts";
import type { Observation } from "../../../../operator/observed/observation.ts";
import { inferenceService } from "../fixtures.ts";
import { conditionsOf, statusOf } from "./status-of.ts";

const DRIFTING: StatusDrift = {
  state: "Drifting",
  version: 2,
  reference: "Learned",
  referenceRows: 1_000,
  windowRows: 2_000,
  features: [
    { name: "x[3]", psi: 0.42, message: "higher: median 0.61, was 0.12" },
    { name: "x[1]", psi: 0.2, message: "more missing" },
  ],
};
const STEADY: StatusDrift = { state: "Steady", version: 2, reference: "Published", referenceRows: 9, windowRows: 500 };
const OFF: Monitoring = { drift: { enabled: false, referenceRows: 1_000, windowRows: 2_000, threshold: 0.1 } };

function said(
  found: Observation["drift"],
  { before, monitoring }: { readonly before?: StatusDrift; readonly monitoring?: Monitoring } = {},
): { drift: StatusDrift | undefined; condition: string | undefined; message: string | undefined } {
  const predictor = monitoring === undefined ? {} : { monitoring };
  const isvc = inferenceService(predictor, before === undefined ? {} : { status: { drift: before } });
  const status = statusOf({ isvc, drift: found });
  const message = status.conditions?.find(({ type }) => type === "Drifting")?.message;
  return { drift: status.drift, condition: conditionsOf(status)["Drifting"], message };
}

test.each<[StatusDrift, string, string]>([
  [
    { state: "Learning", version: 2, referenceRows: 12 },
    "Unknown LearningReference",
    "1000 rows of version 2 become its reference; 12 have come",
  ],
  [
    { ...STEADY, state: "Waiting", windowRows: 7 },
    "Unknown WaitingForRows",
    "7 rows of version 2 have come, too few to compare them with its reference",
  ],
  [STEADY, "False NoDrift", ""],
  [DRIFTING, "True DriftDetected", "x[3]: higher: median 0.61, was 0.12 (PSI 0.42); also x[1]"],
])("condition Drifting says what was found: %s", (drift, condition, message) => {
  expect(said(drift)).toEqual({ drift, condition, message });
});

test("what was said before holds while nothing is known", () => {
  expect(said("Unknown", { before: DRIFTING })).toMatchObject({ drift: DRIFTING, condition: "True DriftDetected" });
  expect(said("Unknown")).toEqual({ drift: undefined, condition: undefined, message: undefined });
});

test("nothing is said where nobody watches", () => {
  const nothing = { drift: undefined, condition: undefined, message: undefined };
  expect(said(undefined, { before: DRIFTING })).toEqual(nothing);
  expect(said("Unknown", { before: DRIFTING, monitoring: OFF })).toEqual(nothing);
  expect(said(DRIFTING, { monitoring: OFF })).toEqual(nothing);
});

test("a message of many long names is cut", () => {
  const features = Array.from({ length: 10 }, (_, index) => ({ name: `${"é".repeat(250)}[${index}]`, psi: 1 }));
  const { message } = said({ ...DRIFTING, features });
  expect(Buffer.byteLength(message ?? "")).toBeLessThanOrEqual(1_024);
  expect(message).toMatch(/…$/);
});
