/** How far two distributions are from each other, of counts in the same bins. */

/** Added to each count, so that an empty bin has no infinite weight. */
const SMOOTHING = 0.5;

/**
 * Population stability index: the sum of (w - r) ln(w / r) over the shares of the reference and of the window, which is also the
 * Jeffreys divergence. Smoothed, and without what chance alone adds to it for so many bins and so few values; 0 at least.
 */
export function populationStability(reference: readonly number[], window: readonly number[]): number {
  const [n, m] = [sum(reference), sum(window)];
  if (n === 0 || m === 0) return 0;
  const used = reference.map((count, at) => [count, window[at] ?? 0] as const).filter(([r, w]) => r + w > 0);
  const [smoothN, smoothM] = [n + SMOOTHING * used.length, m + SMOOTHING * used.length];
  let index = 0;
  for (const [r, w] of used) {
    const [shareR, shareW] = [(r + SMOOTHING) / smoothN, (w + SMOOTHING) / smoothM];
    index += (shareW - shareR) * Math.log(shareW / shareR);
  }
  return Math.max(0, index - (used.length - 1) * (1 / n + 1 / m));
}

/** Jensen-Shannon distance, base 2: 0 to 1. */
export function jensenShannon(reference: readonly number[], window: readonly number[]): number {
  const [n, m] = [sum(reference), sum(window)];
  if (n === 0 || m === 0) return 0;
  let divergence = 0;
  reference.forEach((count, at) => {
    const [p, q] = [count / n, (window[at] ?? 0) / m];
    const middle = (p + q) / 2;
    if (p > 0) divergence += (p * Math.log2(p / middle)) / 2;
    if (q > 0) divergence += (q * Math.log2(q / middle)) / 2;
  });
  return Math.sqrt(Math.min(1, Math.max(0, divergence)));
}

/** Kolmogorov-Smirnov's distance: the greatest difference of the two shares below a bound of bins. */
export function kolmogorovSmirnov(reference: readonly number[], window: readonly number[]): number {
  const [n, m] = [sum(reference), sum(window)];
  if (n === 0 || m === 0) return 0;
  let [below, belowW, greatest] = [0, 0, 0];
  reference.forEach((count, at) => {
    below += count;
    belowW += window[at] ?? 0;
    greatest = Math.max(greatest, Math.abs(below / n - belowW / m));
  });
  return greatest;
}

/** Bins with their counts: the first begins at `min`, the last ends at `max`, and in each values are spread evenly. */
export interface Binned {
  readonly edges: readonly number[];
  readonly min: number;
  readonly max: number;
  readonly counts: readonly number[];
}

/** Where the bins begin and end. */
function boundsOf({ edges, min, max }: Binned): number[] {
  return [Math.min(min, edges[0] ?? min), ...edges, Math.max(max, edges.at(-1) ?? max)];
}

/** The value below which such a share of all is; undefined where there are none. */
export function quantile(binned: Binned, share: number): number | undefined {
  const bounds = boundsOf(binned);
  const total = sum(binned.counts);
  if (total === 0) return undefined;
  const wanted = total * share;
  let below = 0;
  for (const [at, count] of binned.counts.entries()) {
    const [from = 0, to = 0] = [bounds[at], bounds[at + 1]];
    if (count > 0 && below + count >= wanted) {
      const part = (wanted - below) / count;
      return from * (1 - part) + to * part;
    }
    below += count;
  }
  return bounds.at(-1);
}

/** Wasserstein-1 distance of windows in the reference's bins: how far a value has to be moved, on average. */
export function wasserstein(reference: Binned, window: readonly number[]): number {
  const [n, m] = [sum(reference.counts), sum(window)];
  if (n === 0 || m === 0) return 0;
  const bounds = boundsOf(reference);
  let [difference, area] = [0, 0];
  reference.counts.forEach((count, at) => {
    const width = (bounds[at + 1] ?? 0) - (bounds[at] ?? 0);
    const next = difference + (window[at] ?? 0) / m - count / n;
    // The two cross where the difference changes its sign.
    const [a, b] = [Math.abs(difference), Math.abs(next)];
    if (width > 0) area += difference * next >= 0 ? (width * (a + b)) / 2 : (width * (a * a + b * b)) / (2 * (a + b));
    difference = next;
  });
  return area;
}

/** Interquartile range; where the middle half is one value, the whole range. */
export function spreadOf(reference: Binned): number {
  const iqr = (quantile(reference, 0.75) ?? 0) - (quantile(reference, 0.25) ?? 0);
  return iqr > 0 ? iqr : reference.max - reference.min;
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
