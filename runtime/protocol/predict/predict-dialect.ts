import { ServingError } from "../../errors.ts";
import type { Dialect } from "../dialect.ts";
import { readPredictRequest, writePrediction } from "./predict-json.ts";

/** The plain dialect: `{"input": ...}` and `{"prediction": ...}`. */
export const PREDICT_DIALECT: Dialect = {
  name: "predict",
  prepare: (body, signature) => {
    const { input, output, isInstance } = readPredictRequest(body, signature);
    return {
      inputs: [input],
      outputs: [output],
      writeAnswer: (_servable, [prediction]) => {
        if (prediction === undefined) throw new ServingError("Internal", "the model gave no output");
        return writePrediction(prediction, isInstance);
      },
    };
  },
};
