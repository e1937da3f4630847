import type { ServableView } from "../../core/servable.ts";
import { checkRequest } from "../../protocol/check-request.ts";
import { checkClassifications, classifyOutputs } from "../../protocol/v2/classification.ts";
import type { PreparedRequestOf } from "../../serving/infer-path.ts";
import { provenanceHeaders, serverTiming, TIMING_REQUEST_HEADER } from "../../serving/provenance.ts";
import { FRAME_HEAD_BYTES } from "../server/compression.ts";
import type { ReceivedMessage } from "../server/message-reader.ts";
import type { CallContext, Method } from "../server/method.ts";
import { contentsFormOf, inferRequestOf } from "../tensors/infer-request.ts";
import { readInferRequestMessage, type InferRequestMessage } from "../tensors/infer-request-message.ts";
import { writeInferResponse } from "../tensors/infer-response.ts";
import { recordOf, type InferenceRecord } from "./inference-record.ts";
import type { ServiceOptions } from "./service-options.ts";
import { v2Target } from "./v2-target.ts";

/** What metrics call requests of the Open Inference Protocol over gRPC. */
export const V2_GRPC = "grpc";

/** ModelInfer: one request, one answer. */
export function modelInfer(options: ServiceOptions): Method {
  return {
    kind: "unary",
    begin: (call) => {
      const record = recordOf(options, V2_GRPC, call);
      return (message) => answerInfer(options, message, { call, record });
    },
  };
}

async function answerInfer(
  options: ServiceOptions,
  { bytes, ownsMemory }: ReceivedMessage,
  { call, record }: { readonly call: CallContext; readonly record: InferenceRecord },
): Promise<Buffer> {
  record.admit();
  const message = readInferRequestMessage(bytes);
  record.model = message.modelName;
  const inferred = await options.path.infer(
    v2Target(message.modelName, message.modelVersion),
    (servable) => prepareInfer(message, { servable, ownsMemory, isStreamed: false }),
    {
      signal: call.signal,
      requestId: call.requestId,
      priority: call.priority,
      deadlineMs: call.deadlineMs,
      onServable: (servable) => noteServable(record, call, servable),
    },
  );
  record.inferred = inferred;
  if (wantsTiming(call)) call.addMetadata({ "server-timing": serverTiming(inferred.timing) });
  return inferred.answer;
}

function noteServable(record: InferenceRecord, call: CallContext, servable: ServableView): void {
  record.servable = servable;
  call.addMetadata(provenanceHeaders(servable));
}

/** Whether a client wants to know where the time of its request went. */
export function wantsTiming(call: CallContext): boolean {
  const wish = call.header(TIMING_REQUEST_HEADER);
  return wish !== undefined && wish !== "0";
}

/** Reads a request for the version that answers it; the answer is a frame that is not sealed. Throws ServingError. */
export function prepareInfer(
  message: InferRequestMessage,
  context: { readonly servable: ServableView; readonly ownsMemory: boolean; readonly isStreamed: boolean },
): PreparedRequestOf<Buffer> {
  const { servable, ownsMemory, isStreamed } = context;
  const { signature } = servable;
  const request = inferRequestOf(message, ownsMemory);
  const checked = checkRequest(request, servable);
  checkClassifications(request.outputs, signature);
  const form = contentsFormOf(message);
  return {
    ...checked,
    id: request.id,
    writeAnswer: ({ servable: { id }, outputs }) => {
      const classified = classifyOutputs(request.outputs, outputs, signature);
      return writeInferResponse(
        { servable: id, id: request.id, outputs: classified, form, isStreamed },
        FRAME_HEAD_BYTES,
      );
    },
  };
}
