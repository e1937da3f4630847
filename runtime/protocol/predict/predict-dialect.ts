import { ServingError } from "../../errors.ts";
import type { Dialect } from "../dialect.ts";
import { checkJsonHead } from "../media-type.ts";
import { readPredictRequest, writePrediction } from "./predict-json.ts";

/** The plain dialect: `{"input": ...}` and `{"prediction": ...}`. */
export const PREDICT_DIALECT: Dialect = {
  name: "predict",
  protocol: "predict",
  checkHead: checkJsonHead,
  prepare: ({ body }, { signature, state }) => {
    const inputs = signature.inputs.filter(({ name }) => !state.some((binding) => binding.input === name));
    const { input, output, isInstance } = readPredictRequest(body, { ...signature, inputs });
    return {
      inputs: [input],
      outputs: [output],
      writeAnswer: ({ outputs: [prediction] }) => {
        if (prediction === undefined) throw new ServingError("Internal", "the model gave no output");
        return { body: writePrediction(prediction, isInstance) };
      },
    };
  },
};
