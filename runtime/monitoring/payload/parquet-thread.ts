import { Worker } from "node:worker_threads";
import type { EncodedPayload } from "./payload-encoder.ts";
import type { ParquetAnswer } from "./parquet-worker.ts";

/**
 * Makes files of Parquet in a thread of its own: one of a thousand payloads takes 20 to 50 ms, for which requests would have to wait.
 * The thread starts with the first file. One file at a time.
 */
export class ParquetThread implements AsyncDisposable {
  #worker: Worker | undefined;
  #pending: PromiseWithResolvers<Uint8Array> | undefined;

  /** Rejects if the thread ends, or cannot make the file; the next call starts another one. */
  async fileOf(payloads: readonly EncodedPayload[]): Promise<Uint8Array> {
    const pending = Promise.withResolvers<Uint8Array>();
    this.#pending = pending;
    this.#worker ??= this.#start();
    // A thread has no origin.
    // oxlint-disable-next-line unicorn/require-post-message-target-origin
    this.#worker.postMessage(payloads);
    return await pending.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(new URL("./parquet-worker.ts", import.meta.url));
    worker.unref();
    worker.on("message", (answer: ParquetAnswer) => {
      if ("file" in answer) this.#pending?.resolve(answer.file);
      else this.#pending?.reject(new Error("the file could not be made"));
    });
    const end = (): void => {
      if (this.#worker === worker) this.#worker = undefined;
      this.#pending?.reject(new Error("the thread that makes files has ended"));
    };
    worker.on("error", end);
    worker.on("exit", end);
    return worker;
  }
}
