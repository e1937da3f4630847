/** Asks again and again until there is an answer; throws with the last complaint when time is up. */
export async function eventually<T>(
  what: string,
  check: () => Promise<T | undefined>,
  { withinMs, everyMs = 250 }: { readonly withinMs: number; readonly everyMs?: number },
): Promise<T> {
  const deadline = Date.now() + withinMs;
  let complaint = "";
  for (;;) {
    try {
      const found = await check();
      if (found !== undefined) return found;
    } catch (error) {
      complaint = `: ${error instanceof Error ? error.message : String(error)}`;
    }
    if (Date.now() > deadline) throw new Error(`${what} did not come about within ${withinMs} ms${complaint}`);
    await new Promise((resolve) => {
      setTimeout(resolve, everyMs);
    });
  }
}
