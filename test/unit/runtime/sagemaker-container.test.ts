import { describe, expect, test } from "vitest";
import { readRuntimeProcessConfig } from "../../../runtime/config.ts";
import { sagemakerEnvironment } from "../../../runtime/sagemaker-container.ts";
import { configOf } from "../../../runtime/standalone-config.ts";

describe("a container that SageMaker starts", () => {
  test("serves the model in its folder", () => {
    const environment = sagemakerEnvironment(["serve"], { PATH: "/bin", LOCKSTEP_STORAGE_URI: "" });
    expect(environment).toEqual({
      PATH: "/bin",
      LOCKSTEP_STORAGE_URI: "file:///opt/ml/model",
      LOCKSTEP_MODEL_NAME: "model",
    });
    const { LOCKSTEP_STORAGE_URI: storageUri, LOCKSTEP_MODEL_NAME: modelName } = readRuntimeProcessConfig(environment);
    expect(configOf({ configText: undefined, storageUri, modelName }).models[0]?.name).toBe("model");
  });

  test.each([
    ["its storage", { LOCKSTEP_STORAGE_URI: "s3://models/iris" }],
    ["its configuration", { LOCKSTEP_CONFIG: "config.json" }],
  ])("unless %s is said", (_name, environment) => {
    expect(sagemakerEnvironment(["serve"], environment)).toEqual(environment);
  });

  test("gives the model the name that is said", () => {
    expect(sagemakerEnvironment(["serve"], { LOCKSTEP_MODEL_NAME: "iris" })).toMatchObject({
      LOCKSTEP_STORAGE_URI: "file:///opt/ml/model",
      LOCKSTEP_MODEL_NAME: "iris",
    });
  });

  test.each([
    [{ SAGEMAKER_BIND_TO_PORT: "7000", LOCKSTEP_HTTP_PORT: "1" }, { LOCKSTEP_HTTP_PORT: "7000" }],
    [{ SAGEMAKER_BIND_TO_PORT: "8081" }, { LOCKSTEP_HTTP_PORT: "8081", LOCKSTEP_ADMIN_PORT: "0" }],
    [{ SAGEMAKER_BIND_TO_PORT: "9000" }, { LOCKSTEP_HTTP_PORT: "9000", LOCKSTEP_GRPC_PORT: "0" }],
    [
      { SAGEMAKER_BIND_TO_PORT: "7000", SAGEMAKER_SAFE_PORT_RANGE: "7000-7002" },
      { LOCKSTEP_HTTP_PORT: "7000", LOCKSTEP_ADMIN_PORT: "7001", LOCKSTEP_GRPC_PORT: "7002" },
    ],
    [
      { SAGEMAKER_SAFE_PORT_RANGE: "7000-7000", LOCKSTEP_GRPC_PORT: "5" },
      { LOCKSTEP_ADMIN_PORT: "7000", LOCKSTEP_GRPC_PORT: "5" },
    ],
  ])("listens where it is told: %j", (environment, expected) => {
    expect(sagemakerEnvironment(["serve"], environment)).toMatchObject(expected);
  });

  test("takes requests as large as batch transform sends", () => {
    const payload = (SAGEMAKER_MAX_PAYLOAD_IN_MB: string): unknown =>
      sagemakerEnvironment(["serve"], { SAGEMAKER_MAX_PAYLOAD_IN_MB })["LOCKSTEP_MAX_BODY_BYTES"];
    expect(payload("100")).toBe("104857600");
    expect(payload("6")).toBeUndefined();
    expect(payload("many")).toBeUndefined();
  });

  test.each([
    [{ SAGEMAKER_BIND_TO_PORT: "http" }, "SAGEMAKER_BIND_TO_PORT: expected a port"],
    [{ SAGEMAKER_BIND_TO_PORT: "70000" }, "SAGEMAKER_BIND_TO_PORT: expected a port"],
    [{ SAGEMAKER_SAFE_PORT_RANGE: "7000" }, "SAGEMAKER_SAFE_PORT_RANGE: expected two ports"],
    [{ SAGEMAKER_SAFE_PORT_RANGE: "0-7000" }, "SAGEMAKER_SAFE_PORT_RANGE: expected two ports"],
  ])("refuses %j", (environment, message) => {
    expect(() => sagemakerEnvironment(["serve"], environment)).toThrow(message);
  });
});

test.each([[[]], [["--serve"]], [["train"]]])("other processes are as they are: %j", (args) => {
  const environment = { SAGEMAKER_BIND_TO_PORT: "7000" };
  expect(sagemakerEnvironment(args, environment)).toBe(environment);
});
