import { status as Code } from "@grpc/grpc-js";
import protobuf from "protobufjs";
import descriptor, { type IFileDescriptorProto } from "protobufjs/ext/descriptor.js";
import { describe, expect, test } from "vitest";
import { GrpcClient, ROWS, rowsRequest, startGrpcServer } from "./grpc-fixtures.ts";
import { echo, type FakeModel } from "./http-fixtures.ts";

const rows: FakeModel = { name: "rows", signature: ROWS, infer: echo, versions: [1, 2], loading: [3] };

describe("what clients ask beside inference", () => {
  test.each<[method: string, request: Readonly<Record<string, unknown>>, answer: Readonly<Record<string, unknown>>]>([
    ["ServerLive", {}, { live: true }],
    ["ServerReady", {}, { ready: true }],
    ["ModelReady", { name: "rows" }, { ready: true }],
    ["ModelReady", { name: "rows", version: "1" }, { ready: true }],
    ["ModelReady", { name: "rows", version: "3" }, { ready: false }],
    ["ServerMetadata", {}, { name: "lockstep", version: "1.2.3" }],
    [
      "ModelMetadata",
      { name: "rows" },
      {
        name: "rows",
        versions: ["1", "2"],
        platform: "onnx_onnxv1",
        inputs: [{ name: "x", datatype: "FP32", shape: [-1, 4] }],
        outputs: [{ name: "y", datatype: "FP32", shape: [-1, 4] }],
      },
    ],
    [
      "ModelConfig",
      { name: "rows" },
      {
        config: {
          name: "rows",
          backend: "onnxruntime",
          max_batch_size: 0,
          input: [{ name: "x", data_type: "TYPE_FP32", dims: [-1, 4] }],
          instance_group: [{ kind: "KIND_CPU", count: 1 }],
          model_transaction_policy: { decoupled: false },
          parameters: { digest: { string_value: "sha256:00" } },
        },
      },
    ],
    [
      "RepositoryIndex",
      {},
      {
        models: [
          { name: "rows", version: "1", state: "READY", reason: "" },
          { name: "rows", version: "2", state: "READY", reason: "" },
          { name: "rows", version: "3", state: "LOADING", reason: "" },
        ],
      },
    ],
    ["RepositoryModelLoad", { model_name: "rows" }, {}],
    // As KServe's clients write it.
    ["RepositoryModelLoad", { repository_name: "rows" }, {}],
    ["SystemSharedMemoryStatus", {}, { regions: {} }],
    ["CudaSharedMemoryStatus", {}, { regions: {} }],
    ["SystemSharedMemoryUnregister", {}, {}],
    ["CudaSharedMemoryUnregister", {}, {}],
    ["TraceSetting", {}, { settings: { trace_level: { value: ["OFF"] }, trace_rate: { value: ["1000"] } } }],
  ])("%s %j", async (method, request, answer) => {
    const { address } = await startGrpcServer([rows]);
    expect((await new GrpcClient(address).call(method, request)).message).toMatchObject(answer);
  });

  test.each<[method: string, request: Readonly<Record<string, unknown>>, code: number]>([
    ["ModelReady", { name: "other" }, Code.NOT_FOUND],
    ["ModelMetadata", { name: "other" }, Code.NOT_FOUND],
    ["ModelMetadata", { name: "rows", version: "3" }, Code.UNAVAILABLE],
    ["ModelConfig", { name: "rows", version: "9" }, Code.NOT_FOUND],
    ["ModelStatistics", { name: "other" }, Code.NOT_FOUND],
    ["RepositoryModelLoad", { model_name: "other" }, Code.NOT_FOUND],
    ["RepositoryModelLoad", { model_name: "rows", parameters: { config: { string_param: "{}" } } }, Code.UNIMPLEMENTED],
    ["RepositoryIndex", { repository_name: "other" }, Code.NOT_FOUND],
    ["RepositoryModelUnload", { model_name: "rows" }, Code.UNIMPLEMENTED],
    ["SystemSharedMemoryStatus", { name: "x" }, Code.NOT_FOUND],
    ["SystemSharedMemoryRegister", { name: "x" }, Code.UNIMPLEMENTED],
    ["CudaSharedMemoryRegister", { name: "x" }, Code.UNIMPLEMENTED],
    ["TraceSetting", { settings: { trace_level: { value: ["TIMESTAMPS"] } } }, Code.UNIMPLEMENTED],
    ["LogSettings", {}, Code.UNIMPLEMENTED],
  ])("%s %j is refused", async (method, request, code) => {
    const { address } = await startGrpcServer([rows]);
    expect(await new GrpcClient(address).codeOf(method, request)).toBe(code);
  });

  test("statistics count what was asked, however", async () => {
    const { address } = await startGrpcServer([rows]);
    const client = new GrpcClient(address);
    await client.call("ModelInfer", rowsRequest([1, 2, 3, 4, 5, 6, 7, 8]));
    const stream = client.open("ModelStreamInfer");
    stream.send(rowsRequest([1, 2, 3, 4]));
    await stream.received(1);
    await client.codeOf("ModelInfer", rowsRequest([1, 2, 3, 4], { inputs: [], raw_input_contents: [] }));
    const { message } = await client.call("ModelStatistics", { name: "rows" });
    const [, second] = message["model_stats"] as readonly Readonly<Record<string, unknown>>[];
    expect(second).toMatchObject({
      name: "rows",
      version: "2",
      inference_count: 3,
      inference_stats: { success: { count: 2 }, fail: { count: 1 } },
    });
    expect(Number(second?.["last_inference"])).toBeGreaterThan(1.6e12);
  });

  test("are not answered ready by a server that goes away", async () => {
    const { address, server } = await startGrpcServer([rows]);
    server.beginDrain();
    const client = new GrpcClient(address);
    expect((await client.call("ServerReady", {})).message).toEqual({ ready: false });
    expect((await client.call("ModelReady", { name: "rows" })).message).toEqual({ ready: false });
    expect((await client.call("ServerLive", {})).message).toEqual({ live: true });
  });
});

describe.each(["v1", "v1alpha"])("reflection %s", (version) => {
  const open = async () => {
    const { address } = await startGrpcServer([rows]);
    return new GrpcClient(address, `grpc.reflection.${version}.ServerReflection`).open("ServerReflectionInfo");
  };

  test("lists the services", async () => {
    const stream = await open();
    stream.send({ list_services: "*" });
    const [answer] = await stream.received(1);
    expect(
      (answer as { list_services_response: { service: { name: string }[] } }).list_services_response.service,
    ).toEqual([
      { name: "inference.GRPCInferenceService" },
      { name: "tensorflow.serving.PredictionService" },
      { name: "tensorflow.serving.ModelService" },
      { name: "grpc.health.v1.Health" },
      { name: "grpc.reflection.v1.ServerReflection" },
      { name: "grpc.reflection.v1alpha.ServerReflection" },
    ]);
  });

  test("gives the files of a symbol, from which a call can be made", async () => {
    const stream = await open();
    const filesOf = async (count: number): Promise<IFileDescriptorProto[]> => {
      const answer = (await stream.received(count))[count - 1] as {
        file_descriptor_response: { file_descriptor_proto: Buffer[] };
      };
      return answer.file_descriptor_response.file_descriptor_proto.map(
        (bytes) => descriptor.FileDescriptorProto.decode(bytes) as IFileDescriptorProto,
      );
    };
    stream.send({ file_containing_symbol: "inference.GRPCInferenceService" });
    const files = await filesOf(1);
    expect(files.map(({ name }) => name)).toEqual(["grpc_service.proto", "model_config.proto"]);
    const service = protobuf.Root.fromDescriptor({ file: files }).lookupService("inference.GRPCInferenceService");
    expect(service.methodsArray).toHaveLength(20);
    stream.send({ file_by_filename: "tensorflow_serving/apis/predict.proto" });
    expect((await filesOf(2)).map(({ name }) => name)).toContain("tensorflow/core/framework/types.proto");
    stream.send({ file_containing_symbol: "inference.GRPCInferenceService.ModelInfer" });
    expect((await filesOf(3)).map(({ name }) => name)).toContain("grpc_service.proto");
  });

  test("tells of what there is not", async () => {
    const stream = await open();
    stream.send({ host: "me", file_containing_symbol: "no.Such" });
    stream.send({ file_by_filename: "no.proto" });
    stream.send({ file_containing_extension: { containing_type: "inference.ModelConfig", extension_number: 1 } });
    stream.send({ all_extension_numbers_of_type: "inference.ModelConfig" });
    const answers = await stream.received(4);
    expect(answers.slice(0, 3)).toMatchObject([
      { valid_host: "me", original_request: { file_containing_symbol: "no.Such" }, error_response: { error_code: 5 } },
      { error_response: { error_code: 5 } },
      { error_response: { error_code: 5 } },
    ]);
    expect(answers[3]).toMatchObject({
      all_extension_numbers_response: { base_type_name: "inference.ModelConfig", extension_number: [] },
    });
    stream.call.end();
    expect((await stream.ended).code).toBe(Code.OK);
  });
});
