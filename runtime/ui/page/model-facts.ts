import { h, type JSX } from "preact";
import type { JsonTensorSpec } from "../../../common/sample-tensors.ts";
import type { ModelView } from "./replica-api.ts";

/** What the properties mean; others are shown by their names. */
const LABELS: Readonly<Record<string, string>> = {
  digest: "Digest",
  placement: "Runs on",
  instances: "Runs at a time",
  intra_op_threads: "Threads of a run",
  max_batch_size: "Largest batch",
  best_batch_size: "Best batch so far",
};

/** What a model takes and gives, and how it is run. */
export function ModelFacts({ model }: { readonly model: ModelView }): JSX.Element {
  return h(
    "div",
    { class: "facts" },
    h(
      "table",
      { class: "signature" },
      h("caption", {}, "Signature"),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          ["", "Name", "Type", "Shape"].map((title) => (title === "" ? h("td", {}) : h("th", { scope: "col" }, title))),
        ),
      ),
      h("tbody", {}, [
        ...model.inputs.map((spec) => tensorRow("input", spec)),
        ...model.outputs.map((spec) => tensorRow("output", spec)),
      ]),
    ),
    h(
      "dl",
      {},
      h("div", {}, h("dt", {}, "Platform"), h("dd", {}, model.platform)),
      Object.entries(model.properties).map(([name, value]) =>
        h("div", { key: name }, h("dt", {}, LABELS[name] ?? name), h("dd", { title: value }, shortened(value))),
      ),
    ),
  );
}

function tensorRow(kind: string, { name, datatype, shape }: JsonTensorSpec): JSX.Element {
  return h(
    "tr",
    { key: `${kind}:${name}` },
    h("td", { class: "kind" }, kind),
    h("th", { scope: "row" }, h("code", {}, name)),
    h("td", {}, datatype),
    h("td", {}, shapeText(shape)),
  );
}

/** `any × 64`; a single element has no dimensions. */
export function shapeText(shape: readonly number[]): string {
  return shape.length === 0 ? "one element" : shape.map((dim) => (dim < 0 ? "any" : String(dim))).join(" × ");
}

/** A digest by its beginning, by which people compare them. */
function shortened(value: string): string {
  return /^sha256:[0-9a-f]{64}$/.test(value) ? `${value.slice(0, 19)}…` : value;
}
