import type { ServableView } from "../../core/servable.ts";
import { ServingError } from "../../errors.ts";
import type { RequestCode } from "../../monitoring/request-metrics.ts";
import type { InferTarget } from "../../serving/infer-path.ts";
import type { InferStream } from "../../serving/infer-stream.ts";
import { ItemSignal } from "../../serving/item-signal.ts";
import { ModelStreamInferResponse } from "../proto/inference.gen.ts";
import type { ReceivedMessage } from "../server/message-reader.ts";
import type { Method, StreamContext } from "../server/method.ts";
import { readInferRequestMessage } from "../tensors/infer-request-message.ts";
import { InferenceRecord } from "./inference-record.ts";
import { frameOf } from "./message-method.ts";
import { prepareInfer, V2_GRPC } from "./model-infer.ts";
import type { ServiceOptions } from "./service-options.ts";
import { v2Target } from "./v2-target.ts";

/** Metadata by which a client wants the first error to end the stream, with the error as its status. */
const ERRORS_END_KEY = "triton_grpc_error";

/**
 * ModelStreamInfer: many requests, an answer to each, in order. Requests are worked on side by side, so that they can be
 * run together; at most `maxItems` of them, which makes the client wait when it sends faster than answers go out. An
 * error is an answer too, and the stream goes on.
 */
export function modelStreamInfer(options: ServiceOptions, maxItems: number): Method {
  return { kind: "stream", run: (call) => new Stream(options, call, maxItems).run() };
}

class Stream {
  readonly #options: ServiceOptions;
  readonly #call: StreamContext;
  readonly #maxItems: number;
  readonly #endsOnError: boolean;
  /** Requests that are not answered yet. */
  #items = 0;
  /** All of them. */
  #received = 0;
  /** What answered the last one. */
  #servable: ServableView["id"] | undefined;
  #onRoom: (() => void) | undefined;
  /** Settles when all answers so far are sent. */
  #sent: Promise<void> = Promise.resolve();
  readonly #failed = Promise.withResolvers<never>();
  #hasFailed = false;

  constructor(options: ServiceOptions, call: StreamContext, maxItems: number) {
    this.#options = options;
    this.#call = call;
    this.#maxItems = maxItems;
    this.#endsOnError = call.header(ERRORS_END_KEY) === "true";
    this.#failed.promise.catch(() => undefined);
  }

  async run(): Promise<void> {
    const call = this.#call;
    call.onOver((code) => this.#tell(code));
    using stream = this.#options.path.openStream();
    try {
      for (;;) {
        const message = await Promise.race([call.receive(), this.#failed.promise]);
        if (message === undefined) break;
        this.#items++;
        this.#received++;
        // In this turn of the event loop: the requests of a sequence begin in their order.
        const answering = this.#answer(message, stream);
        this.#sent = this.#send(this.#sent, answering, message);
        await this.#room();
      }
    } finally {
      await this.#sent;
    }
    if (this.#hasFailed) await this.#failed.promise;
  }

  /** Sends an answer behind those before it; never rejects. */
  async #send(before: Promise<void>, answering: Promise<Answer>, message: ReceivedMessage): Promise<void> {
    const answer = await answering;
    await before;
    if (answer.error !== undefined && this.#endsOnError) {
      this.#hasFailed = true;
      this.#failed.reject(answer.error);
    } else if (!this.#hasFailed) await this.#call.send(answer.frame);
    this.#call.release(message);
    this.#items--;
    this.#onRoom?.();
  }

  #tell(code: RequestCode): void {
    const { requestId, startMs } = this.#call;
    this.#options.metrics.observeStream?.({
      model: this.#servable?.name ?? "",
      version: this.#servable?.version,
      protocol: `${V2_GRPC}-stream`,
      code,
      durationMs: performance.now() - startMs,
      items: this.#received,
      detail: {
        requestId,
        startMs,
        carrier: "grpc",
        isItem: false,
        inferred: undefined,
        header: (name) => this.#call.header(name),
      },
    });
  }

  async #room(): Promise<void> {
    while (this.#items >= this.#maxItems) {
      await new Promise<void>((resolve) => {
        this.#onRoom = resolve;
      });
    }
  }

  /** Answers one request, whatever happens; never rejects. */
  async #answer({ bytes, ownsMemory }: ReceivedMessage, stream: InferStream): Promise<Answer> {
    const { path, requestTimeoutMs } = this.#options;
    const record = new InferenceRecord(this.#options, V2_GRPC, {
      requestId: this.#call.requestId,
      startMs: performance.now(),
      isItem: true,
      header: (name) => this.#call.header(name),
    });
    let id = "";
    try {
      using item = new ItemSignal(this.#call.signal, requestTimeoutMs);
      record.admit();
      const message = readInferRequestMessage(bytes);
      ({ id } = message);
      record.model = message.modelName;
      const target = v2Target(message.modelName, message.modelVersion);
      // A version is kept for the whole stream only where there is a state to be kept with it.
      const way = this.#hasState(target) ? stream : path;
      const inferred = await way.infer(
        target,
        (servable) => prepareInfer(message, { servable, ownsMemory, isStreamed: true }),
        {
          signal: item.signal,
          priority: this.#call.priority,
          deadlineMs: Math.min(performance.now() + requestTimeoutMs, this.#call.deadlineMs),
          onServable: (servable) => {
            record.servable = servable;
            this.#servable = servable.id;
          },
        },
      );
      record.inferred = inferred;
      record.end("OK");
      return { frame: inferred.answer, error: undefined };
    } catch (thrown) {
      const error = ServingError.from(thrown);
      record.end(error.code, error.refusal);
      const frame = frameOf(ModelStreamInferResponse, { errorMessage: error.message, inferResponse: { id } });
      return { frame, error };
    }
  }

  #hasState(target: InferTarget): boolean {
    using handle = this.#options.path.acquire(target);
    return handle.state.length > 0;
  }
}

interface Answer {
  readonly frame: Buffer;
  readonly error: ServingError | undefined;
}
