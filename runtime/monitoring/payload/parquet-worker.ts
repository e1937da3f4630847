import { parentPort } from "node:worker_threads";
import type { EncodedPayload } from "./payload-encoder.ts";
import { parquetFileOf } from "./parquet-file.ts";

/** The thread that makes files of Parquet. This file is an entry: nobody imports it. */

/** What the thread answers. */
export type ParquetAnswer = { readonly file: Uint8Array<ArrayBuffer> } | { readonly failed: true };

parentPort?.on("message", (payloads: readonly EncodedPayload[]) => {
  let answer: ParquetAnswer;
  try {
    answer = { file: parquetFileOf(payloads) };
  } catch {
    // What is wrong with it may have values in it: that stays here.
    answer = { failed: true };
  }
  parentPort?.postMessage(answer, "file" in answer ? [answer.file.buffer] : []);
});
