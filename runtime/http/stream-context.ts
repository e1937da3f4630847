import type { InferenceRoute } from "../protocol/dialect.ts";
import type { ItemFraming } from "../protocol/stream/item-framing.ts";
import type { InferTarget } from "../serving/infer-path.ts";
import type { InferStream } from "../serving/infer-stream.ts";
import { ItemSignal } from "../serving/item-signal.ts";
import type { Priority, ServableHandle } from "../core/servable.ts";
import { ServingError } from "../errors.ts";
import type { HttpLimits, HttpServerOptions } from "./http-server-options.ts";
import type { BodyAllowance } from "./request-body.ts";
import type { StreamExchange } from "./stream-exchange.ts";

/** What the loops that answer a stream work with. */
export interface StreamContext {
  readonly exchange: StreamExchange;
  /** Memory for what was received and is not answered. */
  readonly allowance: BodyAllowance;
  readonly options: HttpServerOptions;
  readonly limits: HttpLimits;
  readonly route: InferenceRoute;
  readonly target: InferTarget;
  readonly framing: ItemFraming;
  readonly stream: InferStream;
  /** The version that answers all of it. */
  readonly servable: ServableHandle;
  /** Of its requests, but for those that say a lower one. */
  readonly priority: Priority | undefined;
  /** Aborts when the replica drains and the stream should come to an end of its own. */
  readonly ending: AbortSignal;
  readonly sums: StreamSums;
}

/** What is counted of a stream. */
export interface StreamSums {
  /** Requests in it that have begun. */
  items: number;
}

/**
 * Does one piece of a stream's work as a request of its own: admitted, with a deadline, counted. `work` gets the signal
 * that ends it. Throws ServingError.
 */
export async function asRequest<T>(
  { exchange, options, servable, sums }: StreamContext,
  protocol: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const startMs = performance.now();
  sums.items++;
  using item = new ItemSignal(exchange.signal, options.requestTimeoutMs);
  let failure: ServingError | undefined;
  let isAdmitted = false;
  try {
    options.admission.enter();
    isAdmitted = true;
    return await work(item.signal);
  } catch (thrown) {
    failure = ServingError.from(thrown);
    throw failure;
  } finally {
    if (isAdmitted) options.admission.leave();
    const { name: model, version } = servable.id;
    options.metrics.observeRequest({
      model,
      version,
      protocol,
      code: failure?.code ?? "OK",
      refusal: failure?.refusal,
      durationMs: performance.now() - startMs,
    });
  }
}

/** Logs what is a fault of ours. */
export function logInternal({ options, servable }: StreamContext, error: ServingError): void {
  if (error.code !== "Internal") return;
  const { name: model, version } = servable.id;
  options.logger.error({ model, version, err: error.cause ?? error }, "a request of a stream failed");
}
