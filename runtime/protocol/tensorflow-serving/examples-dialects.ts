import { ServingError } from "../../errors.ts";
import type { Dialect } from "../dialect.ts";
import { checkJsonHead } from "../media-type.ts";
import { classificationOutputs, regressionOutput, writeClassifications, writeRegressions } from "./classification.ts";
import { readExamplesRequest } from "./examples-request.ts";

const COMMON = { name: "tensorflow-serving", protocol: "tensorflow-serving", checkHead: checkJsonHead } as const;

/** TensorFlow Serving's `:classify`. */
export const TENSORFLOW_CLASSIFY_DIALECT: Dialect = {
  ...COMMON,
  prepare: ({ body }, servable) => {
    const { scores, labels } = classificationOutputs(servable.signature);
    return {
      inputs: readExamplesRequest(body, servable),
      outputs: labels === undefined ? [scores] : [scores, labels.name],
      writeAnswer: ({ outputs }) => ({ body: writeClassifications(outputs, labels) }),
    };
  },
};

/** TensorFlow Serving's `:regress`. */
export const TENSORFLOW_REGRESS_DIALECT: Dialect = {
  ...COMMON,
  prepare: ({ body }, servable) => {
    const output = regressionOutput(servable.signature);
    return {
      inputs: readExamplesRequest(body, servable),
      outputs: [output],
      writeAnswer: ({ outputs: [values] }) => {
        if (values === undefined) throw new ServingError("Internal", "the model gave no output");
        return { body: writeRegressions(values) };
      },
    };
  },
};
