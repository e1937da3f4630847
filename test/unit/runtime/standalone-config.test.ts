import { describe, expect, test } from "vitest";
import { ConfigError } from "../../../common/runtime-config.ts";
import { configOf, modelNameOf, standaloneConfig } from "../../../runtime/standalone-config.ts";

describe("a model's name by its place", () => {
  test.each([
    ["s3://models/digits", "digits"],
    ["s3://models/team/digits/", "digits"],
    ["s3://digits", "digits"],
    ["https://models.example.com/iris/1/model.onnx", "iris"],
    ["https://models.example.com/resnet.onnx?sig=abc", "resnet"],
    ["http://127.0.0.1:8000/model.onnx", "model"],
    ["file:///mnt/models/digits/3", "digits"],
    ["file:///mnt/my%20model", "my-20model"],
    ["file:///1/2/model.onnx", "model"],
    ["pvc://models/a_b.c", "a_b.c"],
  ])("%s: %s", (uri, name) => {
    expect(modelNameOf(uri)).toBe(name);
    expect(standaloneConfig(uri).models[0]).toMatchObject({ name, storageUri: uri });
  });
});

describe("what a process serves", () => {
  const told = { configText: undefined, storageUri: "", modelName: "" };

  test("by its configuration file", () => {
    const config = standaloneConfig("s3://models/digits", { name: "d", endpoint: "http://minio:9000" });
    expect(config.models[0]).toMatchObject({ name: "d", storage: { endpoint: "http://minio:9000" } });
    expect(configOf({ ...told, configText: JSON.stringify(config), storageUri: "s3://ignored/x" })).toEqual(config);
  });

  test("by its storage URI", () => {
    expect(configOf({ ...told, storageUri: "s3://models/digits" }).models[0]?.name).toBe("digits");
    expect(configOf({ ...told, storageUri: "s3://models/digits", modelName: "d" }).models[0]?.name).toBe("d");
  });

  test("must be said, and right", () => {
    expect(() => configOf(told)).toThrow(/LOCKSTEP_CONFIG.*LOCKSTEP_STORAGE_URI/);
    expect(() => configOf({ ...told, configText: "{" })).toThrow(ConfigError);
    expect(() => configOf({ ...told, storageUri: "s3://a/b", modelName: "a/b" })).toThrow(ConfigError);
  });
});
