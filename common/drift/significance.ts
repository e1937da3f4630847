/** How likely it is that chance alone makes two samples of one distribution differ so much. */

/** Expected count that a bin must have in each sample to be tested by itself: far tails of chi-square are wrong below. */
const LEAST_EXPECTED = 10;

/** Kolmogorov-Smirnov's two-sample test, by its asymptotic distribution; on bins it errs towards too great values. */
export function kolmogorovSmirnovP(distance: number, n: number, m: number): number {
  if (n === 0 || m === 0) return 1;
  const x = distance * Math.sqrt((n * m) / (n + m));
  // Below, the alternating sum converges slowly, and is 1 to all digits that matter.
  if (x < 0.3) return 1;
  let p = 0;
  for (let k = 1; k <= 40; k++) {
    const term = 2 * Math.exp(-2 * k * k * x * x);
    p += k % 2 === 1 ? term : -term;
    if (term < 1e-300) break;
  }
  return Math.min(1, Math.max(0, p));
}

/** Pearson's chi-square test of two samples; bins that few values are expected in are tested together. */
export function chiSquareP(reference: readonly number[], window: readonly number[]): number {
  const [n, m] = [sum(reference), sum(window)];
  if (n === 0 || m === 0) return 1;
  const least = (LEAST_EXPECTED * (n + m)) / Math.min(n, m);
  const cells: [r: number, w: number][] = [];
  let rest: [r: number, w: number] = [0, 0];
  reference.forEach((r, at) => {
    const w = window[at] ?? 0;
    if (r + w >= least) cells.push([r, w]);
    else rest = [rest[0] + r, rest[1] + w];
    if (rest[0] + rest[1] >= least) {
      cells.push(rest);
      rest = [0, 0];
    }
  });
  // What remains joins the smallest of the others.
  const smallest = cells.reduce((min, [r, w], at) => (r + w < sum(cells[min] ?? []) ? at : min), 0);
  const into = cells[smallest];
  if (into !== undefined) cells[smallest] = [into[0] + rest[0], into[1] + rest[1]];
  if (cells.length < 2) return 1;
  let statistic = 0;
  for (const [r, w] of cells) {
    const both = r + w;
    const [expectedR, expectedW] = [(both * n) / (n + m), (both * m) / (n + m)];
    statistic += (r - expectedR) ** 2 / expectedR + (w - expectedW) ** 2 / expectedW;
  }
  return chiSquareTail(statistic, cells.length - 1);
}

/** Fisher's exact test, two-sided by doubling: `a` of `n`, and `b` of `m`. */
export function fisherP(a: number, n: number, b: number, m: number): number {
  if (n === 0 || m === 0) return 1;
  const both = a + b;
  const [least, most] = [Math.max(0, both - n), Math.min(both, m)];
  const isMore = b * n >= a * m;
  // Terms shrink away from the middle: the sum ends where they no longer count.
  let tail = 0;
  for (let k = b; isMore ? k <= most : k >= least; k += isMore ? 1 : -1) {
    const term = Math.exp(logChoose(m, k) + logChoose(n, both - k) - logChoose(n + m, both));
    tail += term;
    if (term <= tail * 1e-12) break;
  }
  return Math.min(1, 2 * tail);
}

/**
 * That of `m` new values so many lie outside of the range of `n` values of the same distribution, or more. A bound, for any
 * distribution: those beyond the least and the greatest of the reference are the outermost of all n + m, in one of `outside` + 1
 * ways.
 */
export function outOfRangeP(outside: number, n: number, m: number): number {
  if (outside === 0 || n === 0 || m === 0) return 1;
  const log = logChoose(m, outside) - logChoose(n + m, outside) + Math.log(outside + 1);
  return Math.min(1, Math.exp(log));
}

/** The share of a chi-square distribution above a value. */
export function chiSquareTail(value: number, degrees: number): number {
  if (value <= 0) return 1;
  const [a, x] = [degrees / 2, value / 2];
  const front = Math.exp(a * Math.log(x) - x - logGamma(a));
  if (x < a + 1) {
    let [term, total] = [1 / a, 1 / a];
    for (let k = 1; k < 1000 && term > total * 1e-16; k++) {
      term *= x / (a + k);
      total += term;
    }
    return Math.max(0, 1 - front * total);
  }
  // Lentz's continued fraction of the upper incomplete gamma function.
  let b = x + 1 - a;
  let c = 1e300;
  let d = 1 / b;
  let fraction = d;
  for (let k = 1; k < 1000; k++) {
    const factor = -k * (k - a);
    b += 2;
    d = 1 / (factor * d + b);
    c = b + factor / c;
    const step = c * d;
    fraction *= step;
    if (Math.abs(step - 1) < 1e-15) break;
  }
  return Math.min(1, front * fraction);
}

const LANCZOS = [
  0.9999999999998099, 676.5203681218851, -1259.1392167224028, 771.3234287776531, -176.6150291621406, 12.507343278686905,
  -0.13857109526572012, 9.984369578019572e-6, 1.5056327351493116e-7,
] as const;

/** The logarithm of the gamma function, of numbers from 0.5 (Lanczos). */
export function logGamma(x: number): number {
  const z = x - 1;
  const t = z + 7.5;
  const series = LANCZOS.reduce((total, factor, at) => (at === 0 ? factor : total + factor / (z + at)), 0);
  return Math.log(2 * Math.PI) / 2 + (z + 0.5) * Math.log(t) - t + Math.log(series);
}

function logChoose(n: number, k: number): number {
  return k < 0 || k > n ? Number.NEGATIVE_INFINITY : logGamma(n + 1) - logGamma(k + 1) - logGamma(n - k + 1);
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
