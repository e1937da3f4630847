import { describe, expect, test } from "vitest";
import { PROTOCOLS, type Protocol } from "../../../../../common/runtime-config.ts";
import { routeKServeInference } from "../../../../../runtime/protocol/kserve-v1/inference-route.ts";
import {
  KSERVE_EXPLAIN_DIALECT,
  KSERVE_PREDICT_DIALECT,
  SHARED_PREDICT_DIALECT,
} from "../../../../../runtime/protocol/kserve-v1/v1-dialects.ts";
import {
  TENSORFLOW_CLASSIFY_DIALECT,
  TENSORFLOW_REGRESS_DIALECT,
} from "../../../../../runtime/protocol/tensorflow-serving/examples-dialects.ts";
import { routeTensorFlowInference } from "../../../../../runtime/protocol/tensorflow-serving/inference-route.ts";
import { TENSORFLOW_PREDICT_DIALECT } from "../../../../../runtime/protocol/tensorflow-serving/predict-dialect.ts";

const ALL = new Set(PROTOCOLS);

function route(
  routeInference: typeof routeTensorFlowInference,
  target: string,
  protocols: ReadonlySet<Protocol> = ALL,
) {
  const segments = target.slice(1).split("/").map(decodeURIComponent);
  const result = routeInference(segments, target, protocols);
  return result.kind === "inference" ? result.route : result.kind;
}

describe("TensorFlow Serving", () => {
  test.each([
    ["/v1/models/m:predict", { dialect: TENSORFLOW_PREDICT_DIALECT, model: "m", version: undefined }],
    ["/v1/models/m:classify", { dialect: TENSORFLOW_CLASSIFY_DIALECT, model: "m", version: undefined }],
    ["/V1/Models/m:REGRESS", { dialect: TENSORFLOW_REGRESS_DIALECT, model: "m", version: undefined }],
    ["/v1/models/m%2Ea/versions/7:predict", { dialect: TENSORFLOW_PREDICT_DIALECT, model: "m.a", version: 7 }],
    ["/v1/models/m/Versions/7:Predict", { dialect: TENSORFLOW_PREDICT_DIALECT, model: "m", version: 7 }],
    [
      "/v1/models/m/labels/stable:predict",
      { dialect: TENSORFLOW_PREDICT_DIALECT, model: "m", version: undefined, label: "stable" },
    ],
    ["/v1/models/m/labels/st-able:predict", "unknown"],
    ["/v1/models/m/labels/:predict", "unknown"],
    ["/v1/models/m/labels:predict", "unknown"],
    ["/v1/models/:predict", "unknown"],
    ["/v1/models/m/:predict", "unknown"],
    ["/v1/models/m/version/7:predict", "unknown"],
    ["/v1/models/m/versions/seven:predict", "unknown"],
    ["/v1/models/m/versions/99999999999999999999:predict", "unknown"],
    ["/v1/models/m/versions/7/labels/a:predict", "unknown"],
    ["/v1/models/a%2Fb:predict", "unknown"],
    ["/v1/models/m%3Apredict", "other"],
    ["/v1/models/m", "other"],
    ["/v1/models/m/versions/7", "other"],
    ["/v1/models/m:explain", "other"],
    ["/v2/models/m:predict", "other"],
  ])("%s", (target, expected) => {
    expect(route(routeTensorFlowInference, target)).toEqual(expected);
  });
});

describe("KServe", () => {
  test.each([
    ["/v1/models/m:predict", { dialect: SHARED_PREDICT_DIALECT, model: "m", version: undefined }],
    ["/v1/models/m:explain", { dialect: KSERVE_EXPLAIN_DIALECT, model: "m", version: undefined }],
    ["/v1/models/:predict", "unknown"],
    ["/v1/models/m%3Apredict", "other"],
    ["/v1/models/m/versions/7:predict", "other"],
    ["/v1/models/m:classify", "other"],
    ["/V1/models/m:predict", "other"],
  ])("%s", (target, expected) => {
    expect(route(routeKServeInference, target)).toEqual(expected);
  });

  test("alone has rules of its own", () => {
    expect(route(routeKServeInference, "/v1/models/m:predict", new Set(["kserve-v1"]))).toMatchObject({
      dialect: KSERVE_PREDICT_DIALECT,
    });
  });
});
