import { orAborted } from "../../core/or-aborted.ts";
import type { ObjectWriter } from "../../storage/object-writer.ts";
import { StorageFailure } from "../../storage/storage-failure.ts";
import type { EncodedPayload } from "./payload-encoder.ts";
import type { PayloadBudget } from "./payload-budget.ts";
import { LINES_PER_TURN, linePiecesOf, payloadFileKey } from "./payload-file.ts";
import type { PayloadOutcome, PayloadSink } from "./payload-pipeline.ts";
import type { SinkComplaints } from "./sink-complaints.ts";

/** A file of Parquet takes so many times what goes into it, while it is made. */
const PARQUET_FACTOR = 4;

/** How payloads become files. */
export interface StorageSinkOptions {
  /** Disposed of by whoever made it. */
  readonly writer: ObjectWriter;
  /** Folder in the storage. */
  readonly prefix: string;
  readonly instance: string;
  readonly format: "JSONLines" | "Parquet";
  /** Payloads in a file, at most. */
  readonly batchSize: number;
  /** After this a file is written although it is not full. */
  readonly batchIntervalMs: number;
  readonly budget: PayloadBudget;
  readonly complaints: SinkComplaints;
  /** Makes a file of Parquet, beside the thread that serves requests. */
  readonly parquetFileOf: (payloads: readonly EncodedPayload[]) => Promise<Uint8Array>;
  /** Resolves when others have had their turn. */
  readonly afterTurn: () => Promise<void>;
}

interface Waiting {
  readonly payload: EncodedPayload;
  readonly settle: (outcome: PayloadOutcome) => void;
}

/** Writes payloads to a storage, many in a file, and one file at a time. */
export class StorageSink implements PayloadSink {
  readonly name = "storage";
  readonly #options: StorageSinkOptions;
  readonly #maxBytes: number;
  readonly #stop = new AbortController();
  readonly #full: Waiting[][] = [];
  #open: Waiting[] = [];
  #openBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #written = 0;
  #writing: Promise<void> | undefined;

  constructor(options: StorageSinkOptions) {
    this.#options = options;
    const { fileBytes } = options.budget;
    this.#maxBytes = options.format === "Parquet" ? Math.floor(fileBytes / PARQUET_FACTOR) : fileBytes;
  }

  accept(payload: EncodedPayload, settle: (outcome: PayloadOutcome) => void): void {
    if (payload.heldBytes > this.#maxBytes) {
      settle("too-large");
      return;
    }
    if (this.#openBytes + payload.heldBytes > this.#maxBytes) this.#close();
    this.#open.push({ payload, settle });
    this.#openBytes += payload.heldBytes;
    if (this.#open.length >= this.#options.batchSize) this.#close();
    else this.#timer ??= setTimeout(() => this.#close(), this.#options.batchIntervalMs).unref();
  }

  async flush(signal: AbortSignal): Promise<void> {
    const abort = (): void => this.#stop.abort();
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
    this.#close();
    await this.#writing;
    signal.removeEventListener("abort", abort);
  }

  #close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#openBytes = 0;
    if (this.#open.length === 0) return;
    this.#full.push(this.#open);
    this.#open = [];
    this.#writing ??= this.#writeAll();
  }

  async #writeAll(): Promise<void> {
    for (let batch = this.#full.shift(); batch !== undefined; batch = this.#full.shift()) {
      const outcome = await this.#write(batch);
      for (const { settle } of batch) settle(outcome);
    }
    this.#writing = undefined;
  }

  async #write(batch: readonly Waiting[]): Promise<PayloadOutcome> {
    const { writer, budget, complaints, prefix, instance, format, parquetFileOf } = this.#options;
    const { signal } = this.#stop;
    if (signal.aborted) return "shutdown";
    const key = payloadFileKey({
      prefix,
      startedAtMs: batch[0]?.payload.head.startedAtMs ?? 0,
      instance,
      number: this.#written++,
      extension: format === "Parquet" ? "parquet" : "jsonl",
    });
    budget.takeFile(budget.fileBytes);
    try {
      const payloads = batch.map(({ payload }) => payload);
      const made = format === "Parquet" ? parquetFileOf(payloads) : this.#linesOf(payloads);
      const content = await orAborted(made, signal);
      // A file that exists is what an attempt left whose answer did not arrive: nobody else has the name.
      // A disk that stands still heeds no signal.
      await orAborted(writer.create(key, content, signal), signal);
      return "logged";
    } catch (error) {
      if (signal.aborted) return "shutdown";
      const problem = error instanceof StorageFailure ? error.message : "the file could not be made";
      complaints.note(problem, batch.length);
      return "sink";
    } finally {
      budget.giveBackFile(budget.fileBytes);
    }
  }

  async #linesOf(payloads: readonly EncodedPayload[]): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    let sizeBytes = 0;
    for (const [index, payload] of payloads.entries()) {
      if (index > 0 && index % LINES_PER_TURN === 0) await this.#options.afterTurn();
      for (const piece of linePiecesOf(payload)) {
        pieces.push(piece);
        sizeBytes += piece.length;
      }
    }
    return Buffer.concat(pieces, sizeBytes);
  }
}
