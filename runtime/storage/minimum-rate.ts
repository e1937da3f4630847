/** The least that a storage must send. */
export interface MinimumRate {
  readonly windowMs: number;
  /** In a window of waiting for the storage; time spent on writing to the disk does not count. */
  readonly minBytes: number;
}

/**
 * Passes a body on while it keeps the rate. Otherwise calls `onStall`, which must make the body end, and throws what
 * that returns. Only the last window may have fewer bytes.
 */
export async function* atMinimumRate(
  body: AsyncIterable<Uint8Array>,
  rate: MinimumRate,
  onStall: () => Error,
  now: () => number = () => performance.now(),
): AsyncGenerator<Uint8Array, void, undefined> {
  const iterator = body[Symbol.asyncIterator]();
  let waitedMs = 0;
  let bytes = 0;
  let finished = false;
  try {
    for (;;) {
      const startedMs = now();
      const result = await nextWithin(iterator, rate.windowMs - waitedMs, onStall);
      waitedMs += now() - startedMs;
      if (result.done === true) {
        finished = true;
        return;
      }
      bytes += result.value.length;
      if (bytes >= rate.minBytes) {
        waitedMs = 0;
        bytes = 0;
      }
      yield result.value;
    }
  } finally {
    // A stalled iterator would make us wait for its end; `onStall` has seen to that.
    if (!finished) void iterator.return?.().catch(() => {});
  }
}

async function nextWithin(
  iterator: AsyncIterator<Uint8Array>,
  leftMs: number,
  onStall: () => Error,
): Promise<IteratorResult<Uint8Array, unknown>> {
  const stalled = Promise.withResolvers<never>();
  const timer = setTimeout(() => stalled.reject(onStall()), Math.max(leftMs, 0));
  try {
    const next = iterator.next();
    // When the wait is over nobody else looks at how it ends.
    next.catch(() => {});
    return await Promise.race([next, stalled.promise]);
  } finally {
    clearTimeout(timer);
  }
}
