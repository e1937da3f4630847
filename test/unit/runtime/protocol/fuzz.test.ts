import { expect, test } from "vitest";
import type { Signature } from "../../../../runtime/core/tensor.ts";
import { PREDICT_DIALECT } from "../../../../runtime/protocol/predict/predict-dialect.ts";
import { V2_DIALECT } from "../../../../runtime/protocol/v2/v2-dialect.ts";
import { SAMPLE_ELEMENTS } from "../../../fixtures/tensor-samples.ts";
import { answerTo, fuzz, servableOf, textOf, zeroOutputs } from "./dialect-harness.ts";
import { runCount } from "../../../fixtures/run-count.ts";

const RUNS = runCount(20_000);

const SIGNATURE: Signature = {
  inputs: [
    { name: "x", datatype: "FP32", shape: [-1, 3] },
    { name: "ids", datatype: "INT64", shape: [-1] },
    { name: "t", datatype: "BYTES", shape: [2, 3] },
  ],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1, 3] }],
};
const SINGLE: Signature = { inputs: SIGNATURE.inputs.slice(0, 1), outputs: SIGNATURE.outputs };

const V2_BODY = `{"id":"a","parameters":{"p":1.5,"q":true},"inputs":[{"name":"x","shape":[2,3],"datatype":"FP32","parameters":{"c":"np"},"data":[[0.1,-2e3,3],[4,5.25,16777217]]},{"data":[${SAMPLE_ELEMENTS.INT64.join(", ")}],"name":"ids","datatype":"INT64","shape":[6]},{"name":"t","shape":[2,3],"datatype":"BYTES","data":[${SAMPLE_ELEMENTS.BYTES.join(",")}]}],"outputs":[{"name":"y","parameters":{"binary_data":false}}],"extra":null}`;

test.each([
  ["v2", V2_DIALECT, V2_BODY, SIGNATURE],
  ["predict", PREDICT_DIALECT, '{"input":[[0.1,-2e3,3],[4,5.25,16777217]]}', SINGLE],
])("whatever is sent is read or refused: %s", (_name, dialect, body, signature) => {
  const servable = servableOf(signature);
  JSON.parse(textOf(answerTo(dialect, { body }, servable, zeroOutputs(signature.outputs))));
  const counts = fuzz(dialect, [{ body }], servable, RUNS, (answer) => {
    JSON.parse(textOf(answer));
  });
  expect([...counts.keys()].filter((code) => !["OK", "InvalidArgument"].includes(code))).toEqual([]);
  // The mutations are neither all harmless nor all fatal.
  expect(counts.get("OK")).toBeGreaterThan(RUNS / 100);
  expect(counts.get("InvalidArgument")).toBeGreaterThan(RUNS / 2);
});
