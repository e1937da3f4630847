import type { ReplicaFailureReason } from "../../common/reasons.ts";
import { ReplicaFailureError, ServingError } from "../errors.ts";

/**
 * onnxruntime-node throws plain Errors: what went wrong is only in their text, which also holds absolute paths and
 * places in its sources. Rules, in order; the first that matches decides. Tested against the library itself.
 */
interface LoadRule {
  readonly pattern: RegExp;
  readonly reason: ReplicaFailureReason;
  /** Groups of the pattern are its arguments. */
  readonly message: (...groups: string[]) => string;
}

const OUT_OF_MEMORY = /bad_alloc|failed to allocate memory|cannot allocate memory|out of memory|bad array new length/i;

const LOAD_RULES: readonly LoadRule[] = [
  {
    pattern: OUT_OF_MEMORY,
    reason: "OutOfMemory",
    message: () => "the engine could not get the memory that the model needs",
  },
  {
    pattern: /Unsupported model IR version: (\d+), max supported IR version: (\d+)/,
    reason: "UnsupportedOpset",
    message: (got, most) =>
      `the file has IR version ${got}, the engine reads up to ${most}: export the model with an older release of onnx`,
  },
  {
    pattern: /Opset (\d+) is under development[^]*official support for domain (\S+) is till opset (\d+)/,
    reason: "UnsupportedOpset",
    message: (got, domain, most) =>
      `the model needs opset ${got} of ${domain}, the engine has up to ${most}: export it with opset ${most} or older`,
  },
  {
    pattern: /([\w.-]*):([\w.-]+)\(-?\d+\) is not a registered function\/op/,
    reason: "UnsupportedOpset",
    message: (domain, operator) =>
      `the engine has no operator ${operator} of domain ${domain || "ai.onnx"}: export the model with standard operators`,
  },
  {
    pattern: /No Op registered for (\S+) with domain_version of (\d+)/,
    reason: "UnsupportedOpset",
    message: (operator, opset) =>
      `operator ${operator} does not exist in opset ${opset}, which the model asks for: export it with another opset`,
  },
  {
    pattern: /Could not find an implementation for ([^\s(]+)\((\d+)\)/,
    reason: "UnsupportedOpset",
    message: (operator, opset) =>
      `the engine does not implement operator ${operator} (of opset ${opset}) for the types that the model uses`,
  },
  {
    pattern: /External data path escapes|Absolute path not allowed|symbolic link|hard link/i,
    reason: "UnsafeModelFile",
    message: () => "the model refers to a file outside of its version's folder",
  },
  {
    pattern: /validation failed for initializer: ([^\s]+)\.[^]*External data path does not exist/,
    reason: "InvalidModel",
    message: (initializer) =>
      `the weights ${initializer} are in a file that is missing: it belongs beside the model, in the version's folder`,
  },
  {
    pattern: /File doesn't exist|No such file/i,
    reason: "StorageNotFound",
    message: () => "the model's file is gone from the replica's disk",
  },
  {
    pattern: /Protobuf parsing failed/,
    reason: "InvalidModel",
    message: () => "the file is not a model in ONNX format, or is cut off",
  },
  {
    pattern: /does not have a graph/,
    reason: "InvalidModel",
    message: () => "the file is empty, or holds no graph: it is not a model in ONNX format",
  },
  {
    pattern: /Unsupported data type: (\d+)/,
    reason: "InvalidModel",
    message: (number) =>
      `an input or output has elements of type ${ODD_TYPES[number ?? ""] ?? number}, which no request can carry: cast it in the model`,
  },
  {
    pattern: /MLDataType for: tensor\((\w+)\) is not currently registered/,
    reason: "InvalidModel",
    message: (type) => `the model uses elements of type ${type}, which the engine does not have`,
  },
];

/** Numbers of TensorProto.DataType that the library refuses to describe. */
const ODD_TYPES: Readonly<Record<string, string>> = {
  14: "complex64",
  15: "complex128",
  16: "bfloat16",
  17: "float8e4m3fn",
  18: "float8e4m3fnuz",
  19: "float8e5m2",
  20: "float8e5m2fnuz",
};

/** The failure behind an error of onnxruntime while it loaded a file. Its message is fit for the API. */
export function loadFailureOf(text: string): ReplicaFailureError {
  const cause = new Error(text);
  for (const rule of LOAD_RULES) {
    const match = rule.pattern.exec(text);
    if (match !== null) return new ReplicaFailureError(rule.reason, rule.message(...match.slice(1)), { cause });
  }
  return new ReplicaFailureError("InvalidModel", `the engine refuses the model: ${withoutPlaces(text)}`, { cause });
}

/** Operators' complaints that are about what the request brought, not about the model. */
const MISFIT =
  /cannot be reshaped|broadcast|dimension mismatch|incompatible dimensions|shape mismatch|mismatched|out of (data )?bounds|out of range|must be within the inclusive range|invalid (input )?shape|Size\(\) must be >= 0|same shape|dimensions? .*match|reflect.*axis length|to pad dimension|(?:pre|post)-pad|must have (?:shape|\d+ dimensions)/i;

/**
 * The error behind an error of onnxruntime while it ran. Texts of operators are not passed on: they hold elements
 * of the request.
 */
export function runErrorOf(text: string): ServingError {
  const cause = new Error(text);
  const dimensions = /Got invalid dimensions for input: (.+?) for the following indices([^]*)/.exec(text);
  if (dimensions !== null) {
    const wrong = [...(dimensions[2] ?? "").matchAll(/index: (\d+) Got: (-?\d+) Expected: (-?\d+)/g)];
    const list = wrong.map(([, index, got, expected]) => `dimension ${index} is ${got}, expected ${expected}`);
    return new ServingError("InvalidArgument", `input ${JSON.stringify(dimensions[1])}: ${list.join("; ")}`, { cause });
  }
  const rank = /Invalid rank for input: (.+?) Got: (\d+) Expected: (\d+)/.exec(text);
  if (rank !== null)
    return new ServingError(
      "InvalidArgument",
      `input ${JSON.stringify(rank[1])}: has ${rank[2]} dimensions, expected ${rank[3]}`,
      { cause },
    );
  const type = /Unexpected input data type. Actual: \(tensor\((\w+)\)\) , expected: \(tensor\((\w+)\)\)/.exec(text);
  if (type !== null)
    return new ServingError("InvalidArgument", `an input has elements of type ${type[1]}, expected ${type[2]}`, {
      cause,
    });
  const missing = /input '(.+?)' is missing in 'feeds'|Missing Input: (.+)/.exec(text);
  if (missing !== null)
    return new ServingError("InvalidArgument", `input ${JSON.stringify(missing[1] ?? missing[2])} is missing`, {
      cause,
    });
  if (OUT_OF_MEMORY.test(text))
    return new ServingError("Internal", "the model needs more memory for this request than the replica has", { cause });
  const operator = /while running (\w+) node/.exec(text)?.[1];
  if (operator !== undefined && MISFIT.test(text))
    return new ServingError(
      "InvalidArgument",
      `the model's operator ${operator} cannot work with these inputs: their shapes or indices do not fit together`,
      { cause },
    );
  return new ServingError(
    "Internal",
    operator === undefined ? "the model failed to answer" : `the model failed in its operator ${operator}`,
    { cause },
  );
}

/** An engine's text without paths, places in its sources and line breaks; at most 400 characters. */
function withoutPlaces(text: string): string {
  const cleaned = text
    .replace(/^Load model from .*? failed:/s, "")
    .replace(/\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : /g, "")
    // "/src/core/graph/graph.cc:1555 void onnxruntime::Graph::Initialize(...) The message", or only the function's name.
    .replace(/\S+\.(?:cc|h):\d+ (?:[^\n]*?::[^\n]*?\)(?: const)? |\w+ )?/g, "")
    .replace(/"?(?:[A-Za-z]:)?[\\/](?:[^\s"':,]+[\\/])+[^\s"':,]*"?/g, "(path)")
    .replace(/[\s\p{Cc}]+/gu, " ")
    .trim();
  return cleaned.length > 400 ? `${cleaned.slice(0, 399)}…` : cleaned;
}
