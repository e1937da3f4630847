import { setTimeout as delay } from "node:timers/promises";
import { copyTensor } from "../batching/tensor-rows.ts";
import type { Tensor, TensorSpec } from "../core/tensor.ts";
import { ServingError } from "../errors.ts";
import { errorItem } from "../protocol/stream/item-framing.ts";
import { LineSplitter } from "../protocol/stream/line-splitter.ts";
import { RowBlock } from "../protocol/stream/row-block.ts";
import { haveRows, readRow, rowInputs, writeRow, type TensorRow } from "../protocol/stream/row.ts";
import { OrderedAnswers } from "./ordered-answers.ts";
import { asRequest, logInternal, type StreamContext } from "./stream-context.ts";

/** One block runs while the next one is read. */
const BLOCKS_AT_A_TIME = 2;
/** A block is not larger, however many rows the model likes best. */
const MAX_BLOCK_BYTES = 8 * 1024 * 1024;
/** How long to wait before a block is tried again that interactive requests left no room for, in ms. */
const LEAST_PAUSE_MS = 10;
const GREATEST_PAUSE_MS = 500;

/** Failures that are the request's, and so may be those of one of its rows. */
const OF_A_ROW: ReadonlySet<string> = new Set(["InvalidArgument", "Internal"]);

/** Reads one line of the body as a row. Throws ServingError; undefined for a line that is no row. */
export type ReadLine = (line: Buffer, specs: readonly TensorSpec[]) => TensorRow[] | undefined;

/**
 * Answers rows without end, in their order, while it reads them: in blocks of the size that the model likes best, behind
 * interactive requests, and with no more than two blocks in memory. Each answer has its row's number. Throws
 * ServingError when it cannot go on; the rows before have been answered then.
 */
export async function answerBatch(
  context: StreamContext,
  firstRow: number,
  readLine: ReadLine = readRow,
): Promise<void> {
  const { exchange, allowance, ending, limits, servable } = context;
  const specs = rowInputs(servable);
  const answers = new OrderedAnswers(BLOCKS_AT_A_TIME, exchange);
  const lines = new LineSplitter(limits.maxBodyBytes, allowance);
  let row = 0;
  let block = new RowBlock(row);

  const flush = async (): Promise<void> => {
    if (block.rows === 0) return;
    const full = block;
    block = new RowBlock(row);
    await answers.room();
    answers.add(answerBlock(context, full, specs).finally(() => allowance.giveBack(full.sizeBytes)));
  };
  const take = async (line: Buffer): Promise<void> => {
    // Of rows that are passed over, not even the form is looked at.
    if (row < firstRow) {
      row++;
      block = new RowBlock(row);
      return;
    }
    const read = attempt(() => readLine(line, specs));
    if (read instanceof ServingError) {
      await flush();
      await answers.room();
      answers.add(Promise.resolve(context.framing.frame(errorItem(read, { row }))));
      row++;
      block = new RowBlock(row);
      return;
    }
    if (read === undefined) return;
    if (!block.fits(read)) await flush();
    const beforeBytes = block.sizeBytes;
    block.add(read);
    allowance.take(block.sizeBytes - beforeBytes);
    row++;
    const best = servable.model.execution().batching?.bestBatchSize ?? 1;
    if (block.rows >= best || block.sizeBytes > MAX_BLOCK_BYTES) await flush();
  };

  try {
    for await (const piece of exchange.pieces(ending)) {
      for (const line of lines.push(piece)) await take(line);
      // Nobody knows when more comes.
      await flush();
      if (!exchange.request.complete) ending.throwIfAborted();
    }
    const last = lines.finish();
    if (last !== undefined) await take(last);
    await flush();
  } catch (error) {
    if (!ending.aborted || error !== ending.reason) throw error;
    throw new ServingError("Unavailable", `the replica stops: go on with another one at offset=${row}`);
  } finally {
    await answers.done();
  }
}

/** The items that answer a block's rows. Throws what makes going on pointless. */
async function answerBlock(context: StreamContext, block: RowBlock, specs: readonly TensorSpec[]): Promise<Buffer> {
  const all = await runRows(context, block.tensors(specs));
  if (!(all instanceof ServingError) && haveRows(all, block.rows)) {
    const items = Array.from({ length: block.rows }, (_, index) => itemOf(context, block, all, index));
    return Buffer.concat(items);
  }
  if (all instanceof ServingError && block.rows === 1)
    return context.framing.frame(errorItem(all, { row: block.firstRow }));
  // One row may be to blame, or the model answers the batch as a whole: then each row is a batch of its own.
  const items: Buffer[] = [];
  for (let index = 0; index < block.rows; index++) {
    const outputs = await runRows(context, block.tensors(specs, index));
    const row = block.firstRow + index;
    if (outputs instanceof ServingError) items.push(context.framing.frame(errorItem(outputs, { row })));
    else items.push(frameRow(context, row, () => writeRow(row, outputs, 0, 1)));
  }
  return Buffer.concat(items);
}

function itemOf(context: StreamContext, block: RowBlock, outputs: readonly Tensor[], index: number): Buffer {
  const row = block.firstRow + index;
  return frameRow(context, row, () => writeRow(row, outputs, index, block.rows));
}

function frameRow({ framing }: StreamContext, row: number, write: () => Buffer): Buffer {
  const item = attempt(write);
  return framing.frame(item instanceof ServingError ? errorItem(item, { row }) : item);
}

/** Runs rows, and waits for as long as others leave no room. Returns a failure that may be one row's; throws others. */
async function runRows(context: StreamContext, inputs: readonly Tensor[]): Promise<readonly Tensor[] | ServingError> {
  const { exchange, route, stream, target } = context;
  for (let pauseMs = LEAST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, GREATEST_PAUSE_MS)) {
    try {
      // The engine takes ownership of the buffers; a second attempt needs them again.
      const copies = inputs.map(copyTensor);
      const { answer } = await asRequest(context, `${route.dialect.name}-batch`, (signal) =>
        stream.infer(target, () => ({ inputs: copies, outputs: undefined, writeAnswer: ({ outputs }) => outputs }), {
          signal,
          priority: "batch",
        }),
      );
      return answer;
    } catch (thrown) {
      exchange.signal.throwIfAborted();
      const error = ServingError.from(thrown);
      logInternal(context, error);
      if (OF_A_ROW.has(error.code)) return error;
      if (error.code !== "ResourceExhausted") throw error;
      await delay(pauseMs, undefined, { signal: exchange.signal }).catch(() => exchange.signal.throwIfAborted());
    }
  }
}

function attempt<T>(work: () => T): T | ServingError {
  try {
    return work();
  } catch (error) {
    if (error instanceof ServingError) return error;
    throw error;
  }
}
