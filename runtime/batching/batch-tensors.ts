import type { InferenceResult } from "../core/servable.ts";
import type { Tensor } from "../core/tensor.ts";
import type { Batch } from "./request-queue.ts";
import { joinOutputs, pickOutputs, viewOutputs } from "./run-outputs.ts";
import { copyTensor, joinRows, viewRows } from "./tensor-rows.ts";
import type { WaitingRequest } from "./waiting-request.ts";

/** What the engine gets: tensors of the run's own, but for a request that is run alone, which gives its own away. */
export function inputsOf({ members, rows, piece }: Batch): readonly Tensor[] {
  const [first] = members;
  if (first === undefined) throw new Error("expected a request to run, got none");
  const { inputs } = first.request;
  if (piece !== undefined)
    return inputs.map((input) => copyTensor(viewRows(input, piece.fromRow, piece.fromRow + rows)));
  if (members.length === 1) return inputs;
  return inputs.map((input, index) => {
    const parts: Tensor[] = [];
    for (const member of members) parts.push(member.request.inputs[index] ?? input);
    return joinRows(parts, rows);
  });
}

/** Answers those who were run alone. */
export function answerWhole({ members }: Batch, { outputs, timing }: InferenceResult): void {
  for (const member of members)
    member.resolve({ outputs, timing: { ...timing, queueMs: timing.queueMs + waitedMs(member) } });
}

/** Gives each request its rows of the outputs that it wants; `ran` are the names of the run's outputs. */
export function answerAll(
  { members, rows }: Batch,
  ran: readonly string[],
  { outputs, timing }: InferenceResult,
): void {
  const { computeMs } = timing;
  let row = 0;
  for (const member of members) {
    const fromRow = row;
    row += member.rows;
    if (member.isSettled) continue;
    const picked = pickOutputs(outputs, ran, member.request.outputs);
    member.resolve({
      outputs: viewOutputs(picked, fromRow, row),
      timing: { queueMs: timing.queueMs + waitedMs(member), computeMs, batchSize: rows },
    });
  }
}

/** Keeps the answer to a piece; the last one that was missing makes the request's answer. */
export function answerPiece({ members: [member], piece }: Batch, result: InferenceResult): void {
  if (member === undefined || piece === undefined || member.cut !== piece.cut) return;
  const { cut, index } = piece;
  cut.results[index] = result;
  cut.missing--;
  if (cut.missing > 0) return;
  const results = cut.results.filter((each) => each !== undefined);
  const computeMs = results.reduce((sum, { timing }) => sum + timing.computeMs, 0);
  member.resolve({
    outputs: joinOutputs(
      results.map(({ outputs }) => outputs),
      member.rows,
    ),
    timing: {
      queueMs: (results[0]?.timing.queueMs ?? 0) + waitedMs(member),
      computeMs,
      batchSize: cut.pieceRows,
    },
  });
}

function waitedMs({ arrivalMs, dispatchMs = arrivalMs }: WaitingRequest): number {
  return dispatchMs - arrivalMs;
}
