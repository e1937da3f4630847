import type { ServableView } from "../../core/servable.ts";
import type { PreparedRequest, WireAnswer, WireRequest } from "../dialect.ts";
import { V2_DIALECT } from "../v2/v2-dialect.ts";
import { JSON_HEADER_SIZE, TRITON_BINARY_TYPE } from "./body-form.ts";

/** How long the JSON at the start of a body is, as the Open Inference Protocol says it. */
const JSON_LENGTH = "inference-header-content-length";

/** Reads a request of the Open Inference Protocol, in JSON or with binary data behind it. Throws ServingError. */
export function prepareV2(wire: WireRequest, servable: ServableView, jsonBytes: string | undefined): PreparedRequest {
  const header = (name: string): string | undefined => (name === JSON_LENGTH ? jsonBytes : wire.header(name));
  const prepared = V2_DIALECT.prepare({ body: wire.body, header }, servable);
  return { ...prepared, writeAnswer: (answer) => tritonAnswer(prepared.writeAnswer(answer)) };
}

/** On SageMaker headers of one's own do not come through: the length of the JSON is in the media type. */
function tritonAnswer(answer: WireAnswer): WireAnswer {
  const { [JSON_LENGTH]: length, ...headers } = answer.headers ?? {};
  if (length === undefined) return answer;
  return { ...answer, headers, contentType: `${TRITON_BINARY_TYPE};${JSON_HEADER_SIZE}=${length}` };
}
