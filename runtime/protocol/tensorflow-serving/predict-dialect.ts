import type { Dialect } from "../dialect.ts";
import { JsonScanner } from "../json/json-scanner.ts";
import { checkJsonHead } from "../media-type.ts";
import { writePredictAnswer } from "./predict-answer.ts";
import { readPredictRequest } from "./predict-request.ts";

/** TensorFlow Serving's `:predict`: rows as `instances` and `predictions`, columns as `inputs` and `outputs`. */
export const TENSORFLOW_PREDICT_DIALECT: Dialect = {
  name: "tensorflow-serving",
  protocol: "tensorflow-serving",
  checkHead: checkJsonHead,
  prepare: ({ body }, servable) => {
    const scanner = new JsonScanner(body);
    const { format, inputs } = readPredictRequest(scanner, servable);
    scanner.expectEnd();
    const key = format === "row" ? "predictions" : "outputs";
    return {
      inputs,
      outputs: undefined,
      writeAnswer: (answer) => ({ body: writePredictAnswer(answer, { format, key, nonFinite: "word" }) }),
    };
  },
};
