import { cp, mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import type { RuntimeConfigInput } from "../../common/runtime-config.ts";
import type { Datatype } from "../../runtime/core/tensor.ts";
import { identityModel, onnxModel, type ElementType, type OnnxGraph } from "../fixtures/onnx-builder.ts";

const VERSION_ECHO = path.join(import.meta.dirname, "../../examples/models/version-echo");
const IRIS = path.join(import.meta.dirname, "../../examples/models/iris");

/** What ONNX calls each datatype. */
export const ELEMENT_TYPE_OF: Readonly<Record<Datatype, ElementType>> = {
  BOOL: "BOOL",
  UINT8: "UINT8",
  UINT16: "UINT16",
  UINT32: "UINT32",
  UINT64: "UINT64",
  INT8: "INT8",
  INT16: "INT16",
  INT32: "INT32",
  INT64: "INT64",
  FP16: "FLOAT16",
  FP32: "FLOAT",
  FP64: "DOUBLE",
  BYTES: "STRING",
};
export const ALL_DATATYPES = Object.keys(ELEMENT_TYPE_OF) as Datatype[];

/** The model that answers a vector of this datatype with itself: `input` and `output`, of shape [n]. */
export const identityName = (datatype: Datatype): string => `identity-${datatype.toLowerCase()}`;

/** For each datatype an input of its name in lower case, and an output `NAME_out` that is the same: of shape [n, k]. */
const ALL_TYPES: OnnxGraph = {
  inputs: ALL_DATATYPES.map((datatype) => ({
    name: datatype.toLowerCase(),
    type: ELEMENT_TYPE_OF[datatype],
    dims: ["n", "k"],
  })),
  outputs: ALL_DATATYPES.map((datatype) => ({
    name: `${datatype.toLowerCase()}_out`,
    type: ELEMENT_TYPE_OF[datatype],
    dims: ["n", "k"],
  })),
  nodes: ALL_DATATYPES.map((datatype) => ({
    op: "Identity",
    inputs: [datatype.toLowerCase()],
    outputs: [`${datatype.toLowerCase()}_out`],
  })),
};

/** `log = ln(input)`: NaN and -Infinity for those who ask for them. */
const LOGARITHM: OnnxGraph = {
  inputs: [{ name: "input", type: "FLOAT", dims: ["n"] }],
  outputs: [{ name: "log", type: "FLOAT", dims: ["n"] }],
  nodes: [{ op: "Log", inputs: ["input"], outputs: ["log"] }],
};

/** `sum = total + input`, and the sum is the next request's total. */
const RUNNING_SUM: OnnxGraph = {
  inputs: [
    { name: "input", type: "FLOAT", dims: ["n", 1] },
    { name: "total", type: "FLOAT", dims: ["n", 1] },
  ],
  outputs: [
    { name: "sum", type: "FLOAT", dims: ["n", 1] },
    { name: "new_total", type: "FLOAT", dims: ["n", 1] },
  ],
  nodes: [
    { op: "Add", inputs: ["input", "total"], outputs: ["sum"] },
    { op: "Identity", inputs: ["sum"], outputs: ["new_total"] },
  ],
};

/** The models of the suite, by name: version 1 of each. */
const MODELS: Readonly<Record<string, Uint8Array>> = {
  ...Object.fromEntries(
    ALL_DATATYPES.map((datatype) => [identityName(datatype), identityModel(ELEMENT_TYPE_OF[datatype])]),
  ),
  "all-types": onnxModel(ALL_TYPES),
  rows: identityModel("FLOAT", ["n", 3]),
  cube: identityModel("FLOAT", ["n", 2, "k"]),
  fixed: identityModel("INT32", [2, 3]),
  scalar: identityModel("DOUBLE", []),
  logarithm: onnxModel(LOGARITHM),
  "running-sum": onnxModel(RUNNING_SUM),
};

/** Models whose versions are those of the folder they come from. */
const COPIED: Readonly<Record<string, string>> = { "version-echo": VERSION_ECHO, iris: IRIS };

/** Writes the models of the suite into a folder; the result is the configuration of a replica that serves them. */
export async function writeModels(folder: string): Promise<RuntimeConfigInput> {
  for (const [name, model] of Object.entries(MODELS)) {
    const version = path.join(folder, name, "1");
    await mkdir(version, { recursive: true });
    await writeFile(path.join(version, "model.onnx"), model);
  }
  for (const [name, from] of Object.entries(COPIED)) await cp(from, path.join(folder, name), { recursive: true });
  return {
    configVersion: 1,
    service: { namespace: "default", name: "conformance" },
    models: [...Object.keys(MODELS), ...Object.keys(COPIED)].map((name) => ({
      name,
      format: "onnx",
      storageUri: pathToFileURL(path.join(folder, name)).href,
      versionPolicy: { kind: "all" },
      ...(name === "running-sum" && { state: [{ input: "total", output: "new_total" }] }),
      ...(name === "version-echo" && { versionLabels: { stable: 1, canary: 2 } }),
    })),
    requestTimeoutMs: 20_000,
  };
}
