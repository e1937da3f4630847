import { checkRequest, type RequestTarget } from "../check-request.ts";
import type { Dialect, WireRequest } from "../dialect.ts";
import type { InferRequest } from "../infer-request.ts";
import { checkJsonOrBinaryHead } from "../media-type.ts";
import { BinaryPart, jsonLengthOf } from "./binary-part.ts";
import { checkClassifications, classifyOutputs } from "./classification.ts";
import { readInferRequest } from "./infer-request-json.ts";
import { binaryOutputsOf, writeInferResponse } from "./infer-response.ts";
import { readRawRequest } from "./raw-request.ts";

/** How long the JSON at the start of a body is, where binary data follows it. */
const JSON_LENGTH = "inference-header-content-length";

/** The Open Inference Protocol v2 in JSON, with the extension for binary data. */
export const V2_DIALECT: Dialect = {
  name: "v2",
  protocol: "v2",
  nameOf: (wire) => (wire.header(JSON_LENGTH) === undefined ? "v2" : "v2-binary"),
  checkHead: checkJsonOrBinaryHead,
  prepare: (wire, servable) => {
    const request = readRequest(wire, servable);
    const { signature } = servable;
    const checked = checkRequest(request, servable);
    checkClassifications(request.outputs, signature);
    const isBinary = binaryOutputsOf(request);
    return {
      ...checked,
      id: request.id,
      writeAnswer: ({ servable: { id }, outputs }) =>
        writeInferResponse(
          {
            model: id.name,
            version: id.version,
            id: request.id,
            outputs: classifyOutputs(request.outputs, outputs, signature),
          },
          isBinary,
        ),
    };
  },
};

function readRequest(wire: WireRequest, servable: RequestTarget): InferRequest {
  const { body } = wire;
  const length = wire.header(JSON_LENGTH);
  if (length === undefined) return readInferRequest(body);
  const jsonBytes = jsonLengthOf(length, body.length);
  if (jsonBytes === 0) return readRawRequest(body, servable);
  return readInferRequest(body.subarray(0, jsonBytes), new BinaryPart(body.subarray(jsonBytes)));
}
