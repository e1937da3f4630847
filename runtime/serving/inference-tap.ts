import type { ServableView } from "../core/servable.ts";
import type { Tensor } from "../core/tensor.ts";
import type { RequestTiming } from "./infer-path.ts";

/**
 * Whoever watches what models are asked and answer, beside the way of requests: drift, payload log, predictions for feedback.
 * All calls are on that way: they decide whether they are interested in less than a microsecond, copy what they keep, never
 * throw, and leave the work for later.
 */
export interface InferenceTap {
  /**
   * Called when a request was read, before it is run: its buffers belong to the engine from then on, so that what is
   * kept of them must be copied now. Undefined: nobody is interested in this request.
   */
  begin(servable: ServableView, inputs: readonly Tensor[], context: TapContext): TappedRequest | undefined;
}

/** What is known of a request beside its inputs. */
export interface TapContext {
  /** As answers have it in `x-request-id`; empty where a request has none of its own, as the items of streams. */
  readonly requestId: string;
  /** As the body of the request had it (`id` of the Open Inference Protocol), where it had one. */
  readonly clientId: string | undefined;
}

/** A request that somebody watches. Exactly one of the two is called, once. */
export interface TappedRequest {
  /** `outputs` are those that were asked for, and may be views into buffers that others share: to be copied now, not changed. */
  answered(outputs: readonly Tensor[], timing: RequestTiming): void;
  failed(error: unknown): void;
}

/** Several of them as one; undefined for none, so that requests have nothing to call. */
export function joinTaps(taps: readonly InferenceTap[]): InferenceTap | undefined {
  const [first, ...others] = taps;
  if (first === undefined || others.length === 0) return first;
  return {
    begin(servable, inputs, context) {
      let tapped: TappedRequest[] | undefined;
      for (const tap of taps) {
        const interested = tap.begin(servable, inputs, context);
        if (interested !== undefined) (tapped ??= []).push(interested);
      }
      if (tapped === undefined || tapped.length === 1) return tapped?.[0];
      const all = tapped;
      return {
        answered(outputs, timing) {
          for (const each of all) each.answered(outputs, timing);
        },
        failed(error) {
          for (const each of all) each.failed(error);
        },
      };
    },
  };
}
