import { ServingError } from "../../errors.ts";
import type { Dialect } from "../dialect.ts";
import { JsonScanner } from "../json/json-scanner.ts";
import { checkJsonHead } from "../media-type.ts";
import { writePredictAnswer, type AnswerForm } from "../tensorflow-serving/predict-answer.ts";
import { readPredictRequest, type PredictFormat } from "../tensorflow-serving/predict-request.ts";
import { eventAnswer, eventModeOf, readStructuredEvent, type EventMode } from "./cloud-event.ts";

/**
 * KServe's `:predict` where TensorFlow Serving's is switched off: `inputs` is another word for `instances` or names each
 * input, and the answer is `predictions` either way.
 */
export const KSERVE_PREDICT_DIALECT: Dialect = predictDialect("kserve-v1", () => ({
  key: "predictions",
  nonFinite: "refuse",
}));

/** `:predict` for the clients of both, who use one path: TensorFlow Serving's rules, and CloudEvents as KServe has them. */
export const SHARED_PREDICT_DIALECT: Dialect = predictDialect("v1", (format, mode) => ({
  key: format === "row" ? "predictions" : "outputs",
  nonFinite: mode === "none" ? "word" : "refuse",
}));

/** KServe's `:explain`, which needs an explainer beside the model. */
export const KSERVE_EXPLAIN_DIALECT: Dialect = {
  name: "kserve-v1",
  protocol: "kserve-v1",
  checkHead: refuseExplanation,
  prepare: refuseExplanation,
};

function refuseExplanation(): never {
  throw new ServingError("Unimplemented", "path: expected :predict, got :explain, but this server has no explainers");
}

function predictDialect(
  name: string,
  formOf: (format: PredictFormat, mode: EventMode) => Pick<AnswerForm, "key" | "nonFinite">,
): Dialect {
  return {
    name,
    protocol: "kserve-v1",
    checkHead: (request) => {
      if (eventModeOf(request) !== "structured") checkJsonHead(request);
      else checkJsonHead({ header: (header) => (header === "content-type" ? undefined : request.header(header)) });
    },
    prepare: (wire, servable) => {
      const mode = eventModeOf(wire);
      const scanner = new JsonScanner(wire.body);
      const read = (): ReturnType<typeof readPredictRequest> => readPredictRequest(scanner, servable);
      const { format, inputs } = mode === "structured" ? readStructuredEvent(scanner, read) : read();
      scanner.expectEnd();
      const form = { format, ...formOf(format, mode) };
      return {
        inputs,
        outputs: undefined,
        writeAnswer: (answer) => eventAnswer(writePredictAnswer(answer, form), mode, servable.id.name),
      };
    },
  };
}
