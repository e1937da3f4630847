import type { Datatype, Tensor } from "../../../runtime/core/tensor.ts";
import { callHttp } from "../http-client.ts";
import { dataOfTokens, elementTexts, nestTexts, parseTokens, rawBytes, type Tokens } from "../tensor-tokens.ts";
import type { Vector } from "../vectors.ts";
import type { Encoding, ReplicaAddress } from "./encoding.ts";
import { outputsOf } from "./v2-http.ts";

/** Dialects whose bodies hold bare values: no datatypes, no shapes. An output has those of its input. */

interface PredictionOptions {
  readonly path: (vector: Vector) => string;
  readonly headers?: (vector: Vector) => Readonly<Record<string, string>>;
  /** The member that holds the inputs, and how. */
  readonly send: { readonly key: string; readonly form: "value" | "rows" | "columns" };
  /** The member of the answer. */
  readonly answer: string;
  /** Whether numbers may be the words NaN and Infinity, which JSON does not have. */
  readonly hasWords?: boolean;
  readonly accepts?: (vector: Vector) => boolean;
}

function prediction(name: string, options: PredictionOptions): Encoding {
  const { form } = options.send;
  return {
    name,
    accepts: (vector) =>
      (vector.isFinite || options.hasWords === true) &&
      (form !== "rows" || vector.inputs.every(({ shape }) => shape.length > 0)) &&
      (form !== "value" || vector.inputs.length === 1) &&
      options.accepts?.(vector) !== false,
    send: async ({ httpUrl }, vector) => {
      const headers = { "content-type": "application/json", ...options.headers?.(vector) };
      const body = `{"${options.send.key}":${inputsText(vector, form)}}`;
      const answer = await callHttp(`${httpUrl}${options.path(vector)}`, { headers, body });
      const text = answer.body.toString();
      if (answer.status !== 200) throw new Error(`status ${answer.status}: ${text}`);
      const json = parseTokens(options.hasWords === true ? quoteWords(text) : text) as Record<string, Tokens>;
      return readOutputs(vector, json[options.answer] ?? null, form);
    },
  };
}

/** Texts hold no such words. */
function quoteWords(text: string): string {
  return text.replaceAll(/-?Infinity|NaN/g, '"$&"');
}

function valueText(tensor: Tensor): string {
  return nestTexts(elementTexts(tensor), tensor.shape);
}

function inputsText({ inputs }: Vector, form: PredictionOptions["send"]["form"]): string {
  const [only] = inputs;
  if (only !== undefined && inputs.length === 1) return valueText(only);
  const members = (textOf: (tensor: Tensor) => string): string =>
    `{${inputs.map((tensor) => `${JSON.stringify(tensor.name)}:${textOf(tensor)}`).join(",")}}`;
  if (form !== "rows") return members(valueText);
  const rows = only?.shape[0] ?? 0;
  return `[${Array.from({ length: rows }, (_, row) => members((tensor) => rowText(tensor, row))).join(",")}]`;
}

function rowText(tensor: Tensor, row: number): string {
  const [rows = 1, ...rest] = tensor.shape;
  const texts = elementTexts(tensor);
  const step = texts.length / rows;
  return nestTexts(texts.slice(row * step, (row + 1) * step), rest);
}

/** The outputs of an answer; throws if their nesting is not that of the inputs. */
function readOutputs(vector: Vector, answer: Tokens, form: PredictionOptions["send"]["form"]): Tensor[] {
  const isAlone = vector.outputs.length === 1;
  return vector.outputs.map((name, index) => {
    const { datatype, shape } = vector.inputs[index] as Tensor;
    let value = answer;
    if (!isAlone && form === "rows") value = (answer as Record<string, Tokens>[]).map((row) => row[name] ?? null);
    else if (!isAlone) value = (answer as Record<string, Tokens>)[name] ?? null;
    if (JSON.stringify(nestingOf(value)) !== JSON.stringify(shape)) {
      throw new Error(`${name}: expected the nesting ${shape.join(",")}, got ${nestingOf(value).join(",")}`);
    }
    return { name, datatype, shape, data: dataOfTokens(datatype, value) } as Tensor;
  });
}

function nestingOf(value: Tokens): number[] {
  return Array.isArray(value) ? [value.length, ...(value.length === 0 ? [] : nestingOf(value[0] ?? null))] : [];
}

const target = ({ model }: Vector): Record<string, string> => ({ "x-amzn-sagemaker-target-model": model });
const invocations = (): string => "/invocations";
const v1 = ({ model }: Vector): string => `/v1/models/${model}:predict`;

/** The binary form that Triton has on SageMaker. */
const SAGEMAKER_BINARY: Encoding = {
  name: "SageMaker, Triton's binary form",
  accepts: () => true,
  send: async ({ httpUrl }: ReplicaAddress, vector) => {
    const blobs = vector.inputs.map(rawBytes);
    const inputs = vector.inputs.map(({ name, datatype, shape }, index) => ({
      name,
      datatype,
      shape,
      parameters: { binary_data_size: blobs[index]?.length },
    }));
    const json = Buffer.from(JSON.stringify({ inputs, parameters: { binary_data_output: true } }));
    const type = "application/vnd.sagemaker-triton.binary+json;json-header-size=";
    const headers = { ...target(vector), "content-type": `${type}${json.length}` };
    const answer = await callHttp(`${httpUrl}/invocations`, { headers, body: Buffer.concat([json, ...blobs]) });
    const length = answer.headers["content-type"]?.replace(type, "");
    return outputsOf({ ...answer, headers: { ...answer.headers, "inference-header-content-length": length } }, vector);
  },
};

const NOT_IN_CSV: ReadonlySet<Datatype> = new Set(["BOOL", "BYTES"]);

/** Rows of numbers, one for each line, without names. */
const SAGEMAKER_CSV: Encoding = {
  name: "SageMaker, CSV",
  accepts: ({ inputs: [input, ...others], isFinite }) =>
    isFinite && others.length === 0 && input?.shape.length === 2 && !NOT_IN_CSV.has(input.datatype),
  send: async ({ httpUrl }, vector) => {
    const [input] = vector.inputs as [Tensor];
    const rows = Array.from({ length: input.shape[0] ?? 0 }, (_, row) => rowText(input, row).slice(1, -1));
    const headers = { ...target(vector), "content-type": "text/csv", accept: "text/csv" };
    const answer = await callHttp(`${httpUrl}/invocations`, { headers, body: rows.join("\n") });
    const text = answer.body.toString();
    if (answer.status !== 200) throw new Error(`status ${answer.status}: ${text}`);
    const json = `[${text
      .trimEnd()
      .split(/\r?\n/)
      .map((line) => `[${line}]`)
      .join(",")}]`;
    return readOutputs(vector, parseTokens(json), "value");
  },
};

/** A vector of one dimension may be one instance as well, where an instance is a lone number. */
export const PREDICTION_ENCODINGS: readonly Encoding[] = [
  prediction("predict", {
    path: ({ model }) => `/predict/${model}`,
    send: { key: "input", form: "value" },
    answer: "prediction",
  }),
  prediction("KServe V1 and TensorFlow Serving, instances", {
    path: v1,
    send: { key: "instances", form: "rows" },
    answer: "predictions",
    hasWords: true,
  }),
  prediction("TensorFlow Serving, columns", {
    path: v1,
    send: { key: "inputs", form: "columns" },
    answer: "outputs",
    hasWords: true,
  }),
  prediction("MLflow, inputs", {
    path: invocations,
    headers: target,
    send: { key: "inputs", form: "columns" },
    answer: "predictions",
    hasWords: true,
  }),
  prediction("MLflow and SageMaker, instances", {
    path: invocations,
    headers: target,
    send: { key: "instances", form: "rows" },
    answer: "predictions",
    hasWords: true,
  }),
  SAGEMAKER_BINARY,
  SAGEMAKER_CSV,
];
