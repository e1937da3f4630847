/** Does something with each of many, with so many at a time. Rejects with the first that does, when all others have ended. */
export async function inParallel<T>(
  items: Iterable<T>,
  atATime: number,
  act: (item: T) => Promise<void>,
): Promise<void> {
  const left = items[Symbol.iterator]();
  async function work(): Promise<void> {
    for (let next = left.next(); next.done !== true; next = left.next()) await act(next.value);
  }
  const ended = await Promise.allSettled(Array.from({ length: atATime }, work));
  const failed = ended.find(({ status }) => status === "rejected");
  if (failed?.status === "rejected") throw failed.reason;
}
