import { syntheticJsonInputs, type JsonTensorSpec } from "../../../common/sample-tensors.ts";

/** An input as it is being written. */
export interface InputDraft {
  readonly spec: JsonTensorSpec;
  /** Such as `1, 64`. */
  readonly shapeText: string;
  /** The elements as a JSON array. */
  readonly dataText: string;
}

/** Inputs of more elements are not shown as text: browsers would be slow. */
export const MOST_SHOWN_ELEMENTS = 20_000;

/** What an input is filled with. */
export type Filling = "zeros" | "random";

/** The request that any model with these inputs should answer. */
export function draftOf(inputs: readonly JsonTensorSpec[]): readonly InputDraft[] {
  return syntheticJsonInputs(inputs).map(({ shape, data }, index) => ({
    spec: inputs[index] as JsonTensorSpec,
    shapeText: shape.join(", "),
    dataText: dataText(data, shape),
  }));
}

/** The input with other elements, of the shape that it says. `random` gives numbers from 0 to 1. */
export function filled(draft: InputDraft, filling: Filling, random: () => number): InputDraft {
  const shape = parseShape(draft.shapeText);
  if (!Array.isArray(shape)) return draft;
  const [zeros] = syntheticJsonInputs([{ ...draft.spec, shape }]);
  const data = zeros?.data ?? [];
  return {
    ...draft,
    dataText: dataText(filling === "zeros" ? data : data.map((own) => randomLike(own, draft, random)), shape),
  };
}

function randomLike(zero: unknown, { spec }: InputDraft, random: () => number): unknown {
  if (typeof zero === "boolean") return random() < 0.5;
  if (typeof zero === "string") return `text ${Math.floor(random() * 1000)}`;
  return spec.datatype.startsWith("FP") || spec.datatype === "BF16"
    ? Math.round(random() * 1000) / 1000
    : Math.floor(random() * 10);
}

/** The number of elements that a shape holds. */
export function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

/** A line for each row of the last dimension. */
export function dataText(data: readonly unknown[], shape: readonly number[]): string {
  const texts = data.map((element) => JSON.stringify(element));
  const width = shape.at(-1) ?? 1;
  if (shape.length < 2 || width < 1 || texts.length <= width) return `[${texts.join(", ")}]`;
  const lines = Array.from({ length: Math.ceil(texts.length / width) }, (_, row) =>
    texts.slice(row * width, (row + 1) * width).join(", "),
  );
  return `[${lines.join(",\n ")}]`;
}

/** The lengths, or what is wrong with the text. */
export function parseShape(text: string): number[] | string {
  const parts = text.split(/[\s,x×]+/).filter((part) => part !== "");
  const shape = parts.map(Number);
  return shape.every((dim) => Number.isSafeInteger(dim) && dim >= 0)
    ? shape
    : "shape: expected whole numbers such as 1, 64";
}

/** The elements, or what is wrong with the text. */
export function parseData(text: string): unknown[] | string {
  try {
    const data: unknown = JSON.parse(text);
    return Array.isArray(data) ? data : "data: expected an array such as [0, 0.5, 1]";
  } catch {
    return 'data: expected JSON, such as [0, 0.5, 1] or ["a text"]';
  }
}

/** The request's body; or what is wrong, by the input's name. What only the model can judge is left to it. */
export function requestOf(
  drafts: readonly InputDraft[],
): { readonly body: string } | { readonly problems: ReadonlyMap<string, string> } {
  const problems = new Map<string, string>();
  const inputs = drafts.map(({ spec: { name, datatype }, shapeText, dataText: text }) => {
    const shape = parseShape(shapeText);
    const data = parseData(text);
    if (typeof shape === "string") problems.set(name, shape);
    else if (typeof data === "string") problems.set(name, data);
    // As it was written: numbers of 64 bits are more than JavaScript's.
    return `{"name": ${JSON.stringify(name)}, "shape": ${JSON.stringify(shape)}, "datatype": ${JSON.stringify(datatype)}, "data": ${text.trim()}}`;
  });
  return problems.size > 0 ? { problems } : { body: `{"inputs": [${inputs.join(", ")}]}` };
}
