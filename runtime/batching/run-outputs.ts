import type { Tensor } from "../core/tensor.ts";
import { joinRows, viewRows } from "./tensor-rows.ts";
import type { WaitingRequest } from "./waiting-request.ts";

/** The outputs that a run must have: all that any of its requests wants. */
export function outputsOf(members: readonly WaitingRequest[]): readonly string[] {
  const first = members[0]?.request.outputs ?? [];
  let union: Set<string> | undefined;
  for (let index = 1; index < members.length; index++) {
    const outputs = members[index]?.request.outputs ?? [];
    if (union === undefined && isSame(outputs, first)) continue;
    union ??= new Set(first);
    for (const name of outputs) union.add(name);
  }
  return union === undefined ? first : [...union];
}

/** Those of a run's outputs that one of its requests wants, in its order; `ran` are the names of the run's. */
export function pickOutputs(outputs: readonly Tensor[], ran: readonly string[], wanted: readonly string[]): Tensor[] {
  if (isSame(ran, wanted)) return outputs.slice();
  return wanted.map((name) => {
    const output = outputs[ran.indexOf(name)];
    if (output === undefined) throw new Error("the engine has left out an output");
    return output;
  });
}

/** The first output that does not have as many rows as were run; undefined if all have. */
export function findMisfit(outputs: readonly Tensor[], rows: number): Tensor | undefined {
  return outputs.find(({ shape }) => shape[0] !== rows);
}

/** The first output whose rows are of another shape than in another run; undefined if all are alike. */
export function findUnlike(outputs: readonly Tensor[], others: readonly Tensor[]): Tensor | undefined {
  return outputs.find(({ shape }, index) => !isSame(shape.slice(1), others[index]?.shape.slice(1) ?? []));
}

/** Rows of each output, as views. */
export function viewOutputs(outputs: readonly Tensor[], fromRow: number, toRow: number): Tensor[] {
  const views: Tensor[] = [];
  for (const output of outputs) views.push(viewRows(output, fromRow, toRow));
  return views;
}

/** The outputs of several runs, one after the other. */
export function joinOutputs(parts: readonly (readonly Tensor[])[], rows: number): Tensor[] {
  return (parts[0] ?? []).map((_, index) =>
    joinRows(
      parts.flatMap((outputs) => outputs[index] ?? []),
      rows,
    ),
  );
}

function isSame<T extends string | number>(left: readonly T[], right: readonly T[]): boolean {
  if (left === right) return true;
  if (left.length !== right.length) return false;
  for (let index = 0; index < left.length; index++) if (left[index] !== right[index]) return false;
  return true;
}
