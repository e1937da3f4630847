import type { ServableView } from "../../core/servable.ts";
import type { TensorSpec } from "../../core/tensor.ts";
import { ServingError } from "../../errors.ts";
import { checkRequest } from "../../protocol/check-request.ts";
import { modelVersionStatuses, versionStatus } from "../../protocol/tensorflow-serving/model-status.ts";
import { statusOf } from "../../protocol/v2/metadata.ts";
import { quoteName } from "../../protocol/wording.ts";
import type { InferTarget, PreparedRequestOf } from "../../serving/infer-path.ts";
import { provenanceHeaders, serverTiming } from "../../serving/provenance.ts";
import * as tensorflow from "../proto/tensorflow.gen.ts";
import type { CallContext, Method } from "../server/method.ts";
import type { ReceivedMessage } from "../server/message-reader.ts";
import { readPredictMessage, writePredictResponse, type PredictMessage } from "../tensors/predict-message.ts";
import { TENSORFLOW_TYPES, tensorOfProto } from "../tensors/tensor-proto.ts";
import { encodeMessage } from "../wire/message-codec.ts";
import { recordOf, type InferenceRecord } from "./inference-record.ts";
import { messageMethod } from "./message-method.ts";
import { wantsTiming } from "./model-infer.ts";
import type { ServiceOptions } from "./service-options.ts";

/** What metrics call predictions over TensorFlow Serving's gRPC. */
const TENSORFLOW_GRPC = "tensorflow-serving-grpc";
/** ONNX models have one signature. */
const SIGNATURE = "serving_default";
const METADATA_FIELD = "signature_def";

/** The methods of tensorflow.serving.PredictionService, by their names. */
export function predictionService(options: ServiceOptions): Readonly<Record<string, Method>> {
  return {
    Predict: {
      kind: "unary",
      begin: (call) => {
        const record = recordOf(options, TENSORFLOW_GRPC, call);
        return (message) => predict(options, message, { call, record });
      },
    },
    GetModelMetadata: messageMethod(
      tensorflow.GetModelMetadataRequest,
      tensorflow.GetModelMetadataResponse,
      ({ modelSpec, metadataField }) => {
        const other = metadataField.find((field) => field !== METADATA_FIELD);
        if (metadataField.length === 0 || other !== undefined) {
          const got = other === undefined ? "none" : quoteName(other);
          throw new ServingError("InvalidArgument", `metadata_field: expected "${METADATA_FIELD}", got ${got}`);
        }
        using servable = options.path.acquire(targetOf(modelSpec));
        return metadataOf(servable);
      },
    ),
  };
}

/** The methods of tensorflow.serving.ModelService, by their names. */
export function modelService({ servables }: ServiceOptions): Readonly<Record<string, Method>> {
  return {
    GetModelStatus: messageMethod(
      tensorflow.GetModelStatusRequest,
      tensorflow.GetModelStatusResponse,
      ({ modelSpec }) => {
        const { model, version, label } = targetOf(modelSpec);
        const status = statusOf(servables, model);
        const wanted = label === undefined ? version : servables.versionOf(model, label);
        const statuses = wanted === undefined ? modelVersionStatuses(status) : [versionStatus(status, wanted)];
        return {
          modelVersionStatus: statuses.map((each) => ({
            version: BigInt(each.version),
            state: tensorflow.ModelVersionStatusState[each.state],
            status: {
              errorCode: each.status.error_code === "OK" ? tensorflow.Code.OK : tensorflow.Code.UNKNOWN,
              errorMessage: each.status.error_message,
            },
          })),
        };
      },
    ),
  };
}

async function predict(
  options: ServiceOptions,
  received: ReceivedMessage,
  { call, record }: { readonly call: CallContext; readonly record: InferenceRecord },
): Promise<Buffer> {
  record.admit();
  const message = readPredictMessage(received.bytes);
  record.model = message.spec?.name ?? "";
  const prepare = (servable: ServableView): PreparedRequestOf<Buffer> =>
    preparePredict(message, { servable, received, call });
  const inferred = await options.path.infer(targetOf(message.spec), prepare, {
    signal: call.signal,
    requestId: call.requestId,
    priority: call.priority,
    deadlineMs: call.deadlineMs,
    onServable: (servable) => {
      record.servable = servable;
      call.addMetadata(provenanceHeaders(servable));
    },
  });
  record.inferred = inferred;
  if (wantsTiming(call)) call.addMetadata({ "server-timing": serverTiming(inferred.timing) });
  return inferred.answer;
}

function preparePredict(
  { inputs, outputFilter }: PredictMessage,
  context: { readonly servable: ServableView; readonly received: ReceivedMessage; readonly call: CallContext },
): PreparedRequestOf<Buffer> {
  const { servable, received, call } = context;
  const { bytes, ownsMemory } = received;
  const take = (sizeBytes: number): void => call.take(sizeBytes);
  const tensors = [...inputs].map(([name, proto]) => {
    const tensor = tensorOfProto(proto, { name, label: `input ${quoteName(name)}`, bytes, ownsMemory, take });
    return { tensor, parameters: {} };
  });
  const outputs = outputFilter.length === 0 ? undefined : outputFilter.map((name) => ({ name, parameters: {} }));
  return {
    ...checkRequest({ id: undefined, parameters: {}, inputs: tensors, outputs }, servable),
    writeAnswer: (answer) => writePredictResponse(answer.servable.id, answer.outputs),
  };
}

/** The model and version that a request names. Throws ServingError (InvalidArgument). */
function targetOf(spec: tensorflow.ModelSpec | undefined): InferTarget {
  if (spec === undefined || spec.name === "")
    throw new ServingError("InvalidArgument", "model_spec: expected the name of a model, got none");
  if (spec.signatureName !== "" && spec.signatureName !== SIGNATURE) {
    throw new ServingError(
      "InvalidArgument",
      `Serving signature name: ${quoteName(spec.signatureName)} not found in signature def: expected "${SIGNATURE}"`,
    );
  }
  const version = spec.version?.value;
  if (version !== undefined && (version < 0n || version > BigInt(Number.MAX_SAFE_INTEGER)))
    throw new ServingError("NotFound", "version: expected a served one, got another");
  return {
    model: spec.name,
    version: version === undefined ? undefined : Number(version),
    ...(spec.versionLabel !== undefined && { label: spec.versionLabel }),
  };
}

function metadataOf({ id, signature }: ServableView) {
  const definition = {
    inputs: tensorInfos(signature.inputs),
    outputs: tensorInfos(signature.outputs),
    methodName: "tensorflow/serving/predict",
  };
  const map = encodeMessage(tensorflow.SignatureDefMap, { signatureDef: new Map([[SIGNATURE, definition]]) });
  const any = { typeUrl: `type.googleapis.com/${tensorflow.SignatureDefMap.name}`, value: map };
  return {
    modelSpec: { name: id.name, version: { value: id.version } },
    metadata: new Map([[METADATA_FIELD, any]]),
  };
}

function tensorInfos(specs: readonly TensorSpec[]) {
  return new Map(
    specs.map(({ name, datatype, shape }) => [
      name,
      {
        name,
        dtype: TENSORFLOW_TYPES[datatype].type,
        tensorShape: { dim: shape.map((size) => ({ size })) },
      },
    ]),
  );
}
