import { once } from "node:events";
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { ServingError } from "../errors.ts";
import type { ItemFraming } from "../protocol/stream/item-framing.ts";
import { contentCodingOf, decoderOf } from "./content-encoding.ts";
import type { UnsentAnswers } from "../serving/unsent-answers.ts";
import { discardBody } from "./request-body.ts";
import type { Exchange } from "./inference-handler.ts";

/** Between two signs of life to a client that reads events. */
const HEARTBEAT_MS = 15_000;
/** How long more is waited for when the reading should come to an end. */
const ENDING_MS = 250;

/** Bounds on the time, and the memory, that the client of a stream may take. */
export interface StreamLimits {
  /** How long the client may send nothing, or read nothing, in ms. */
  readonly idleTimeoutMs: number;
  /** How long it may take to read the end, in ms. */
  readonly sendTimeoutMs: number;
  /** How long the rest of a body is read that nobody wants, in ms. */
  readonly lingerMs: number;
  /** Memory for answers that are not taken. */
  readonly unsent: UnsentAnswers;
}

/** An exchange whose request and response are both without end: read and written piece by piece, at the reader's pace. */
export class StreamExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly #limits: StreamLimits;
  readonly #abort = new AbortController();
  #heartbeat: NodeJS.Timeout | undefined;

  constructor({ request, response, expectsContinue }: Exchange, limits: StreamLimits) {
    this.request = request;
    this.response = response;
    this.#limits = limits;
    if (expectsContinue) response.writeContinue();
  }

  /** Aborts when the client goes away, or the server stops; its reason is a ServingError. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  abort(reason: ServingError): void {
    if (!this.#abort.signal.aborted) this.#abort.abort(reason);
  }

  /** Sends the head, so that a client that waits for it before it sends more goes on. */
  begin(framing: ItemFraming, headers: OutgoingHttpHeaders): void {
    this.response.writeHead(200, {
      ...headers,
      "content-type": framing.contentType,
      // Proxies that gather answers would hold them back.
      "cache-control": "no-store",
      "x-accel-buffering": "no",
    });
    this.response.flushHeaders();
    const { heartbeat } = framing;
    if (heartbeat === undefined) return;
    this.#heartbeat = setInterval(() => {
      if (!this.response.writableNeedDrain) this.response.write(heartbeat);
    }, HEARTBEAT_MS).unref();
  }

  /**
   * Writes, and resolves when the client has room for more. Rejects with the reason of {@link signal}, or, of a client that
   * does not read for too long, with Cancelled: then the connection is closed.
   */
  async write(bytes: Buffer): Promise<void> {
    this.signal.throwIfAborted();
    this.#heartbeat?.refresh();
    if (this.response.write(bytes)) return;
    // Whoever does not read must not keep a version from being unloaded.
    const { idleTimeoutMs } = this.#limits;
    const timer = setTimeout(() => this.response.destroy(), idleTimeoutMs);
    const forget = this.keep(this.response.writableLength);
    try {
      await once(this.response, "drain", { signal: this.signal });
    } catch {
      this.signal.throwIfAborted();
      throw gone();
    } finally {
      clearTimeout(timer);
      forget();
    }
  }

  /** Takes note of the memory of an answer that waits to be written; what is returned gives it back. */
  keep(sizeBytes: number): () => void {
    const { unsent } = this.#limits;
    const kept = unsent.add(sizeBytes, () => this.response.destroy());
    return () => unsent.remove(kept);
  }

  /**
   * The pieces of the body, decompressed. Reads no further than they are asked for. Throws ServingError: RequestTimeout if
   * none comes for too long, Cancelled if the client goes away, InvalidArgument if it cannot be decompressed, or the
   * reason of {@link signal}; or, when `ending` has aborted and nothing comes for a moment, its reason.
   */
  async *pieces(ending?: AbortSignal): AsyncGenerator<Buffer> {
    const source = await this.#decompressed(ending);
    const pieces = source.iterator({ destroyOnReturn: false });
    try {
      for (;;) {
        const next = await this.#orTimedOut(pieces.next(), ending);
        if (next.done === true) return;
        yield next.value as Buffer;
      }
    } finally {
      // Otherwise it would keep what is left of the body from being read and thrown away.
      void pieces.return?.();
    }
  }

  /** Ends the response. The rest of the request is read for a moment, so that the client sees the end, and not a reset. */
  async end(last?: Buffer): Promise<void> {
    clearInterval(this.#heartbeat);
    if (this.response.destroyed) return;
    this.response.end(last);
    if (!this.response.writableFinished) {
      const timer = setTimeout(() => this.response.destroy(), this.#limits.sendTimeoutMs).unref();
      this.response.once("close", () => clearTimeout(timer));
    }
    // What is thrown away must not be gathered by a decompressor that nobody reads.
    this.request.unpipe();
    if (this.request.complete || this.request.destroyed) return;
    await discardBody(this.request, this.#limits.lingerMs);
    if (!this.request.complete) this.request.destroy();
  }

  async #decompressed(ending?: AbortSignal): Promise<Readable> {
    const coding = contentCodingOf(this.request.headers["content-encoding"]);
    if (coding === undefined) return this.request;
    const unzip = decoderOf(coding === "deflate" ? await this.#head(ending) : Buffer.of(), coding);
    this.request
      .on("error", (error) => unzip.destroy(error))
      .on("close", () => {
        if (!this.request.complete) unzip.destroy(gone());
      });
    return this.request.pipe(unzip);
  }

  /** The first two bytes of the body as it was sent, which remain to be read; fewer if there are no more. */
  async #head(ending?: AbortSignal): Promise<Uint8Array> {
    const { request } = this;
    const decided = new AbortController();
    const { signal } = decided;
    try {
      const ended = once(request, "end", { signal });
      ended.catch(() => undefined);
      for (;;) {
        const head = request.read(2) as Buffer | null;
        if (head !== null) request.unshift(head);
        if (head !== null || request.readableEnded) return head ?? Buffer.of();
        await this.#orTimedOut(Promise.race([once(request, "readable", { signal }), ended]), ending);
      }
    } finally {
      decided.abort();
    }
  }

  async #orTimedOut<T>(work: Promise<T>, ending?: AbortSignal): Promise<T> {
    const { idleTimeoutMs } = this.#limits;
    const given = Promise.withResolvers<never>();
    const stop = (): void => given.reject(this.signal.reason);
    let endingTimer: NodeJS.Timeout | undefined;
    const end = (): void => {
      endingTimer = setTimeout(() => given.reject(ending?.reason), ENDING_MS);
    };
    const timer = setTimeout(() => {
      given.reject(new ServingError("RequestTimeout", `stream: expected more within ${idleTimeoutMs} ms, got nothing`));
    }, idleTimeoutMs);
    this.signal.addEventListener("abort", stop, { once: true });
    if (ending?.aborted === true) end();
    else ending?.addEventListener("abort", end, { once: true });
    try {
      this.signal.throwIfAborted();
      return await Promise.race([work, given.promise]);
    } catch (error) {
      throw error instanceof ServingError ? error : readingFailure(error);
    } finally {
      clearTimeout(timer);
      this.signal.removeEventListener("abort", stop);
      clearTimeout(endingTimer);
      ending?.removeEventListener("abort", end);
      work.catch(() => undefined);
    }
  }
}

function readingFailure(error: unknown): ServingError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code.startsWith("Z_")) {
    return new ServingError(
      "InvalidArgument",
      "body: expected it to be compressed as Content-Encoding says, got another",
    );
  }
  return gone(error);
}

function gone(cause?: unknown): ServingError {
  return new ServingError("Cancelled", "the client closed the connection", { cause });
}
