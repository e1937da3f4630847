import { createServer } from "node:http";

/** A server that reads a request of the Open Inference Protocol as anybody would, and answers a constant. This file is an entry. */

interface Input {
  readonly data?: readonly number[];
  readonly parameters?: { readonly binary_data_size?: number };
}

const output = { name: "output", shape: [1, 10], datatype: "FP32" };
const values = Float32Array.from({ length: 10 }, (_, index) => 0.01 + index / 50);
const json = Buffer.from(
  JSON.stringify({ model_name: "model", model_version: "1", outputs: [{ ...output, data: [...values] }] }),
);
const header = Buffer.from(
  JSON.stringify({
    model_name: "model",
    model_version: "1",
    outputs: [{ ...output, parameters: { binary_data_size: values.byteLength } }],
  }),
);
const binary = Buffer.concat([header, new Uint8Array(values.buffer)]);
let sum = 0;

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const body = Buffer.concat(chunks);
    const headerBytes = request.headers["inference-header-content-length"];
    const end = headerBytes === undefined ? body.length : Number(headerBytes);
    const { inputs } = JSON.parse(body.toString("utf8", 0, end)) as { inputs: readonly Input[] };
    let at = end;
    for (const { data, parameters } of inputs) {
      const size = parameters?.binary_data_size ?? 0;
      const tensor =
        data === undefined
          ? new Float32Array(new Uint8Array(body.subarray(at, at + size)).buffer)
          : Float32Array.from(data);
      at += size;
      sum += tensor[0] ?? 0;
    }
    const isJson = headerBytes === undefined;
    response.writeHead(200, {
      "content-type": isJson ? "application/json" : "application/octet-stream",
      "content-length": isJson ? json.length : binary.length,
      ...(!isJson && { "inference-header-content-length": header.length }),
    });
    response.end(isJson ? json : binary);
  });
});
server.listen(Number(process.argv[2]), "127.0.0.1");
process.once("exit", () => void sum);
