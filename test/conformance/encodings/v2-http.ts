import { deflateSync, gunzipSync, gzipSync, inflateSync } from "node:zlib";
import type { Datatype, Tensor } from "../../../runtime/core/tensor.ts";
import { callHttp, type HttpAnswer } from "../http-client.ts";
import {
  dataOfRaw,
  dataOfTokens,
  elementTexts,
  nestTexts,
  parseTokens,
  rawBytes,
  type NumberToken,
  type Tokens,
} from "../tensor-tokens.ts";
import type { Vector } from "../vectors.ts";
import type { Encoding } from "./encoding.ts";

type Form = "flat" | "nested" | "binary";

interface V2Options {
  /** How the input at an index is sent. */
  readonly input: (index: number) => Form;
  /** Parameters of the whole request. */
  readonly parameters?: Readonly<Record<string, boolean>>;
  /** Whether the output at an index is to be binary; without it the request names no outputs. */
  readonly output?: (index: number) => boolean;
  /** Compresses the body, and asks for answers that are. */
  readonly compression?: "gzip" | "deflate";
  readonly versioned?: boolean;
}

function v2(name: string, options: V2Options): Encoding {
  const isJson = (vector: Vector): boolean =>
    vector.inputs.every((_, index) => options.input(index) === "binary") && options.parameters !== undefined;
  return {
    name: `v2, ${name}`,
    // JSON has neither NaN nor infinities, in requests or in answers.
    accepts: (vector) => vector.isFinite || isJson(vector),
    send: async ({ httpUrl }, vector) => {
      const { json, blobs } = requestOf(vector, options);
      const body = Buffer.concat([Buffer.from(json), ...blobs]);
      const headers: Record<string, string> = { "content-type": "application/json" };
      if (blobs.length > 0) {
        headers["content-type"] = "application/octet-stream";
        headers["inference-header-content-length"] = String(Buffer.byteLength(json));
      }
      if (options.compression !== undefined) {
        headers["content-encoding"] = options.compression;
        headers["accept-encoding"] = options.compression;
      }
      const version = options.versioned === true ? "/versions/1" : "";
      const url = `${httpUrl}/v2/models/${vector.model}${version}/infer`;
      return outputsOf(await callHttp(url, { headers, body: compress(body, options.compression) }), vector);
    },
  };
}

function compress(body: Buffer, compression: V2Options["compression"]): Buffer {
  if (compression === undefined) return body;
  return compression === "gzip" ? gzipSync(body) : deflateSync(body);
}

function requestOf(vector: Vector, options: V2Options): { readonly json: string; readonly blobs: Buffer[] } {
  const blobs: Buffer[] = [];
  const inputs = vector.inputs.map((tensor, index) => {
    const head = `"name":${JSON.stringify(tensor.name)},"shape":[${tensor.shape.join(",")}],"datatype":"${tensor.datatype}"`;
    const form = options.input(index);
    if (form === "binary") {
      const bytes = rawBytes(tensor);
      blobs.push(bytes);
      return `{${head},"parameters":{"binary_data_size":${bytes.length}}}`;
    }
    const texts = elementTexts(tensor);
    return `{${head},"data":${form === "flat" ? `[${texts.join(",")}]` : nestTexts(texts, tensor.shape)}}`;
  });
  const { output, parameters } = options;
  const outputs =
    output === undefined
      ? undefined
      : vector.outputs.map((name, index) => ({ name, parameters: { binary_data: output(index) } }));
  const rest = JSON.stringify({ id: "conformance", parameters, outputs });
  return { json: `{"inputs":[${inputs.join(",")}],${rest.slice(1)}`, blobs };
}

/** The tensors of an answer, in the order of the vector's outputs. Throws if it is none, or not of this request. */
export function outputsOf(answer: HttpAnswer, vector: Vector): Tensor[] {
  const body = decompress(answer);
  if (answer.status !== 200) throw new Error(`status ${answer.status}: ${body.toString()}`);
  const header = answer.headers["inference-header-content-length"];
  const length = header === undefined ? body.length : Number(header);
  const json = parseTokens(body.toString("utf8", 0, length)) as Record<string, Tokens>;
  if (json["model_name"] !== vector.model) throw new Error(`the answer is of ${JSON.stringify(json["model_name"])}`);
  if (json["model_version"] !== "1") throw new Error(`the answer is of ${JSON.stringify(json["model_version"])}`);
  let at = length;
  const tensors = (json["outputs"] as Record<string, Tokens>[]).map((output): Tensor => {
    const datatype = output["datatype"] as Datatype;
    const shape = (output["shape"] as NumberToken[]).map(({ text }) => Number(text));
    const size = (output["parameters"] as Record<string, NumberToken> | undefined)?.["binary_data_size"];
    let data;
    if (size === undefined) data = dataOfTokens(datatype, output["data"] ?? null);
    else {
      data = dataOfRaw(datatype, body.subarray(at, at + Number(size.text)));
      at += Number(size.text);
    }
    return { name: output["name"], datatype, shape, data } as Tensor;
  });
  if (at !== body.length) throw new Error(`the answer has ${body.length - at} bytes too many`);
  return vector.outputs.map((name) => {
    const tensor = tensors.find((each) => each.name === name);
    if (tensor === undefined) throw new Error(`the answer has no ${name}`);
    return tensor;
  });
}

function decompress({ headers, body }: HttpAnswer): Buffer {
  const encoding = headers["content-encoding"];
  if (encoding === "gzip") return gunzipSync(body);
  return encoding === "deflate" ? inflateSync(body) : body;
}

/** The whole body is the only input. Its shape must follow from its length; `cube` has two dimensions to choose. */
const RAW: Encoding = {
  name: "v2, the body as the only input",
  accepts: ({ model, inputs: [input, ...others] }) =>
    others.length === 0 &&
    (input?.datatype !== "BYTES" || input.data.length === 1) &&
    (model !== "cube" || input?.shape[0] === 1),
  send: async ({ httpUrl }, vector) => {
    const [input] = vector.inputs as [Tensor];
    const body = input.datatype === "BYTES" ? Buffer.from(input.data[0] ?? "") : rawBytes(input);
    const headers = { "inference-header-content-length": "0" };
    return outputsOf(await callHttp(`${httpUrl}/v2/models/${vector.model}/infer`, { headers, body }), vector);
  },
};

const isEven = (index: number): boolean => index % 2 === 0;
const ALL_BINARY = { binary_data_output: true };

export const V2_HTTP_ENCODINGS: readonly Encoding[] = [
  v2("flat JSON", { input: () => "flat" }),
  v2("nested JSON, with the version in the path", { input: () => "nested", versioned: true }),
  v2("binary both ways", { input: () => "binary", parameters: ALL_BINARY }),
  v2("binary there, JSON back", { input: () => "binary" }),
  v2("JSON there, binary back", { input: () => "flat", output: () => true }),
  v2("some binary, some JSON", {
    input: (index) => (isEven(index) ? "binary" : "nested"),
    output: (index) => !isEven(index),
  }),
  v2("binary by the request, JSON by the output", {
    input: () => "binary",
    parameters: ALL_BINARY,
    output: isEven,
  }),
  RAW,
];

/** The same in less bytes. */
export const V2_COMPRESSED_ENCODINGS: readonly Encoding[] = [
  v2("flat JSON, gzip", { input: () => "flat", compression: "gzip" }),
  v2("flat JSON, deflate", { input: () => "flat", compression: "deflate" }),
  v2("binary both ways, gzip", { input: () => "binary", parameters: ALL_BINARY, compression: "gzip" }),
  v2("binary both ways, deflate", { input: () => "binary", parameters: ALL_BINARY, compression: "deflate" }),
];
