/** Round values from 0 to at least `max`, for an axis; 3 to 6 of them. */
export function axisTicks(max: number): number[] {
  if (!(max > 0) || !Number.isFinite(max)) return [0, 0.5, 1];
  const rough = max / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const count = Math.ceil(max / step - 1e-9);
  return Array.from({ length: count + 1 }, (_, index) => Number((index * step).toPrecision(12)));
}

/** Pieces of a line: it breaks where a value is missing, and where more than `maxGapMs` lie between two. */
export function linePieces(
  times: readonly number[],
  values: readonly (number | undefined)[],
  maxGapMs: number,
): { readonly atMs: number; readonly value: number }[][] {
  const pieces: { atMs: number; value: number }[][] = [];
  let lastMs: number | undefined;
  for (const [index, atMs] of times.entries()) {
    const value = values[index];
    if (value === undefined) {
      lastMs = undefined;
      continue;
    }
    const piece = pieces.at(-1);
    if (piece === undefined || lastMs === undefined || atMs - lastMs > maxGapMs) pieces.push([{ atMs, value }]);
    else piece.push({ atMs, value });
    lastMs = atMs;
  }
  return pieces;
}
