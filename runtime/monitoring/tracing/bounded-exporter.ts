import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace-base";
import type { SpanOutcome } from "./request-traces.ts";

/** Of OpenTelemetry's ExportResultCode. */
const SUCCESS = 0;

/**
 * Keeps the books of spans on their way to a collector: how many there may be, and what became of them. The bound is looked at
 * before spans are made, so that of a request all of them are there or none.
 */
export class BoundedExporter implements SpanExporter {
  readonly #exporter: SpanExporter;
  readonly #maxSpans: number;
  readonly #onSpans: (outcome: SpanOutcome, count: number) => void;
  #spans = 0;

  constructor(
    exporter: SpanExporter,
    options: { readonly maxSpans: number; readonly onSpans: (outcome: SpanOutcome, count: number) => void },
  ) {
    this.#exporter = exporter;
    this.#maxSpans = options.maxSpans;
    this.#onSpans = options.onSpans;
  }

  /** Takes room for so many spans, which will be made. False if there is none: then they are counted as dropped. */
  take(count: number): boolean {
    const hasRoom = this.#spans + count <= this.#maxSpans;
    if (hasRoom) this.#spans += count;
    else this.#onSpans("dropped", count);
    return hasRoom;
  }

  export(spans: ReadableSpan[], callback: Parameters<SpanExporter["export"]>[1]): void {
    this.#exporter.export(spans, (result) => {
      this.#spans -= spans.length;
      const { code }: { readonly code: number } = result;
      this.#onSpans(code === SUCCESS ? "exported" : "failed", spans.length);
      callback(result);
    });
  }

  async forceFlush(): Promise<void> {
    await this.#exporter.forceFlush?.();
  }

  async shutdown(): Promise<void> {
    await this.#exporter.shutdown();
  }
}
