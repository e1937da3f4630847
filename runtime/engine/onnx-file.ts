import { lengthFields, protobufFields } from "./protobuf-fields.ts";

/** What a file in ONNX format says of itself, beside its inputs and outputs. */
export interface OnnxFileDescription {
  readonly irVersion: number;
  /** By domain; that of ONNX itself is `ai.onnx`. */
  readonly opsets: Readonly<Record<string, number>>;
  readonly producer: { readonly name: string; readonly version: string };
  /** What its maker wrote into it. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Files that its tensors are in, relative to its folder, as it says: unchecked. Without repetitions. */
  readonly externalData: readonly string[];
}

/** Graphs in attributes of graphs, at most. */
const DEEPEST = 32;

// Field numbers of onnx.proto3.
const MODEL = {
  irVersion: 1,
  producer: 2,
  producerVersion: 3,
  graph: 7,
  opset: 8,
  metadata: 14,
  function: 25,
} as const;
const OPSET = { domain: 1, version: 2 } as const;
const GRAPH = { node: 1, initializer: 5, sparseInitializer: 15 } as const;
const FUNCTION_NODE = 7;
const NODE_ATTRIBUTE = 5;
const ATTRIBUTE = { tensor: 5, graph: 6, tensors: 10, graphs: 11, sparseTensor: 22, sparseTensors: 23 } as const;
const SPARSE = { values: 1, indices: 2 } as const;
const TENSOR_EXTERNAL_DATA = 13;
const ENTRY = { key: 1, value: 2 } as const;

/** Reads what a model says of itself. Throws RangeError for bytes that are no message of Protocol Buffers. */
export function describeOnnxFile(model: Uint8Array): OnnxFileDescription {
  let irVersion = 0;
  const producer = { name: "", version: "" };
  const opsets = new Map<string, number>();
  const metadata = new Map<string, string>();
  const externalData = new Set<string>();
  for (const { field, value } of protobufFields(model)) {
    if (typeof value === "number") {
      if (field === MODEL.irVersion) irVersion = value;
    } else if (field === MODEL.producer) producer.name = textOf(value);
    else if (field === MODEL.producerVersion) producer.version = textOf(value);
    else if (field === MODEL.opset) opsets.set(...opsetOf(value));
    else if (field === MODEL.metadata) metadata.set(...entryOf(value));
    else if (field === MODEL.graph) collectFromGraph(value, externalData, 0);
    else if (field === MODEL.function) collectFromNodes(value, FUNCTION_NODE, externalData, 0);
  }
  return {
    irVersion,
    opsets: Object.fromEntries(opsets),
    producer,
    metadata: Object.fromEntries(metadata),
    externalData: [...externalData],
  };
}

function opsetOf(opset: Uint8Array): [domain: string, version: number] {
  let domain = "";
  let version = 0;
  for (const { field, value } of protobufFields(opset)) {
    if (field === OPSET.domain && typeof value !== "number") domain = textOf(value);
    else if (field === OPSET.version && typeof value === "number") version = value;
  }
  return [domain === "" ? "ai.onnx" : domain, version];
}

function entryOf(entry: Uint8Array): [key: string, value: string] {
  let key = "";
  let text = "";
  for (const { field, value } of lengthFields(entry)) {
    if (field === ENTRY.key) key = textOf(value);
    else if (field === ENTRY.value) text = textOf(value);
  }
  return [key, text];
}

function collectFromGraph(graph: Uint8Array, into: Set<string>, depth: number): void {
  if (depth > DEEPEST) throw new RangeError("graphs are nested too deeply");
  for (const { field, value } of lengthFields(graph)) {
    if (field === GRAPH.initializer) collectFromTensor(value, into);
    else if (field === GRAPH.sparseInitializer) collectFromSparseTensor(value, into);
  }
  collectFromNodes(graph, GRAPH.node, into, depth);
}

function collectFromNodes(message: Uint8Array, nodeField: number, into: Set<string>, depth: number): void {
  for (const { field, value: node } of lengthFields(message)) {
    if (field !== nodeField) continue;
    for (const { field: part, value: attribute } of lengthFields(node))
      if (part === NODE_ATTRIBUTE) collectFromAttribute(attribute, into, depth);
  }
}

function collectFromAttribute(attribute: Uint8Array, into: Set<string>, depth: number): void {
  for (const { field, value } of lengthFields(attribute)) {
    if (field === ATTRIBUTE.tensor || field === ATTRIBUTE.tensors) collectFromTensor(value, into);
    else if (field === ATTRIBUTE.graph || field === ATTRIBUTE.graphs) collectFromGraph(value, into, depth + 1);
    else if (field === ATTRIBUTE.sparseTensor || field === ATTRIBUTE.sparseTensors)
      collectFromSparseTensor(value, into);
  }
}

function collectFromSparseTensor(tensor: Uint8Array, into: Set<string>): void {
  for (const { field, value } of lengthFields(tensor))
    if (field === SPARSE.values || field === SPARSE.indices) collectFromTensor(value, into);
}

function collectFromTensor(tensor: Uint8Array, into: Set<string>): void {
  for (const { field, value } of lengthFields(tensor)) {
    if (field !== TENSOR_EXTERNAL_DATA) continue;
    const [key, text] = entryOf(value);
    if (key === "location") into.add(text);
  }
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}
