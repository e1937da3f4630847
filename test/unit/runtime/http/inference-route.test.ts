import { describe, expect, test } from "vitest";
import { PROTOCOLS } from "../../../../common/runtime-config.ts";
import { InferenceRouter } from "../../../../runtime/http/inference-route.ts";

const router = new InferenceRouter(new Set(PROTOCOLS));

describe("requests for inference", () => {
  test.each([
    ["/v2/models/m/infer", { dialect: "v2", model: "m", version: undefined }],
    ["/v2/models/m/versions/3/infer", { dialect: "v2", model: "m", version: 3 }],
    ["/v2/models/m/versions/0/infer", { dialect: "v2", model: "m", version: 0 }],
    ["/v2/models/m.v-1_x/infer?a=b", { dialect: "v2", model: "m.v-1_x", version: undefined }],
    ["/v2/models/%6D/infer", { dialect: "v2", model: "m", version: undefined }],
    ["/v2/models/infer/infer", { dialect: "v2", model: "infer", version: undefined }],
    ["http://host:80/v2/models/m/infer", { dialect: "v2", model: "m", version: undefined }],
    ["/predict", { dialect: "predict", model: undefined, version: undefined }],
    ["/predict?x", { dialect: "predict", model: undefined, version: undefined }],
    ["/predict/m", { dialect: "predict", model: "m", version: undefined }],
    ["/predict/m/versions/12", { dialect: "predict", model: "m", version: 12 }],
  ])("%s", (target, route) => {
    expect(router.route(target)).toEqual({
      kind: "inference",
      route: { ...route, dialect: expect.objectContaining({ name: route.dialect }) },
    });
  });
});

describe("paths of inference that lead nowhere", () => {
  test.each([
    "/v2/models//infer",
    "/v2/models/m//infer",
    "/v2/models/m/versions/infer",
    "/v2/models/m/versions//infer",
    "/v2/models/m/versions/x/infer",
    "/v2/models/m/versions/01/infer",
    "/v2/models/m/versions/-1/infer",
    "/v2/models/m/versions/1.0/infer",
    "/v2/models/m/versions/1e3/infer",
    "/v2/models/m/versions/9999999999999999/infer",
    "/v2/models/m/versions/1/x/infer",
    "/v2/models/m/labels/x/infer",
    "/v2/models/../infer",
    "/v2/models/%2e%2e/infer",
    "/v2/models/%2F/infer",
    "/v2/models/m%2Fversions%2F1/infer",
    "/v2/models/m%00/infer",
    "/v2/models/m%5c/infer",
    "/v2/models/%256d/infer",
    "/v2/models/%zz/infer",
    "/v2/models/%/infer",
    "/v2/models/m%C3%BC/infer",
    "/v2/models/ m/infer",
    `/v2/models/${"m".repeat(300)}/infer`,
    "/predict/",
    "/predict//",
    "/predict/m/",
    "/predict/m/versions",
    "/predict/m/versions/",
    "/predict/%2e%2e",
  ])("%s", (target) => {
    expect(router.route(target)).toEqual({ kind: "unknown" });
  });
});

describe("everything else", () => {
  test.each([
    "/",
    "",
    "*",
    "//predict",
    "//v2/models/m/infer",
    "/v2/models/m/infer/",
    "/V2/models/m/infer",
    "/Predict",
    "/predictx",
    "/v2/models/infer",
    "/v2/models/m",
    "/v2/models/m/ready",
    "/metrics",
    "http://host",
    "ftp://host/predict",
  ])("%s", (target) => {
    expect(router.route(target)).toEqual({ kind: "other" });
  });
});

describe("protocols that are switched off", () => {
  test("have no paths", () => {
    const plain = new InferenceRouter(new Set(["predict"]));
    expect(plain.route("/v2/models/m/infer")).toEqual({ kind: "other" });
    expect(plain.route("/predict/m").kind).toBe("inference");
  });
});

test("what was routed before is routed the same, however many others came between", () => {
  const small = new InferenceRouter(new Set(PROTOCOLS));
  const first = small.route("/v2/models/m/infer");
  expect(small.route("/v2/models/m/infer")).toBe(first);
  for (let index = 0; index < 3_000; index++) small.route(`/v2/models/m/infer?${index}`);
  expect(small.route("/v2/models/m/infer")).toEqual(first);
});
