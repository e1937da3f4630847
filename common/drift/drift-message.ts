import { quantile, type Binned } from "./distances.ts";
import type { FeatureCounts } from "./feature-counter.ts";
import type { FeatureReference } from "./profile.ts";

/** A median has moved if it did so by this part of the reference's middle half. */
const MOVED = 0.1;
/** A middle half is wider or narrower if it is so by this factor. */
const WIDER = 1.25;

/** Says of a feature that has moved how it did, for people: its most striking change. */
export function driftMessage(reference: FeatureReference, window: FeatureCounts): string {
  const [n, m] = [sum(reference.counts), sum(window.counts)];
  const [missing, missingBefore] = [shareOf(window.missing, m), shareOf(reference.missing, n)];
  const bins = reference.counts.map((count, at) => ({
    at,
    before: part(count, n),
    now: part(window.counts[at] ?? 0, m),
  }));
  const weights = bins.map(({ before, now }) => weight(before, now));
  const ofMissing = weight(missingBefore, missing);
  if (ofMissing >= sum(weights))
    return `${missing > missingBefore ? "more" : "fewer"} missing values: ${beside(missing, missingBefore)}`;
  const most = bins[weights.indexOf(Math.max(...weights))] ?? { at: 0, before: 0, now: 0 };
  if (reference.kind === "categorical") {
    const category = reference.categories[most.at];
    return `${category === undefined ? "other categories" : `category ${category}`}: ${beside(most.now, most.before)}`;
  }
  return numberMessage({ ...reference, counts: reference.counts }, window, m, most);
}

interface BinChange {
  readonly at: number;
  readonly before: number;
  readonly now: number;
}

function numberMessage(reference: Binned, window: FeatureCounts, m: number, most: BinChange): string {
  const outside = part(window.outOfRange, m);
  const [before, now] = [middleOf(reference), middleOf({ ...reference, counts: window.counts })];
  const range = before.to - before.from;
  const moved = now.median - before.median;
  // Values that part to both sides may take the median to either: the quartiles then do not go with it.
  const around = (now.from + now.to - before.from - before.to) / 2;
  if (Math.abs(moved) > MOVED * range && Math.abs(around) > MOVED * range && moved > 0 === around > 0) {
    return `${moved > 0 ? "higher" : "lower"}: median ${number(now.median)}, was ${number(before.median)}`;
  }
  const width = now.to - now.from;
  if (width > range * WIDER || width * WIDER < range) {
    const middle = `half of it from ${number(now.from)} to ${number(now.to)}, was ${number(before.from)} to ${number(before.to)}`;
    return `${width > range ? "wider" : "narrower"}: ${middle}`;
  }
  // Windows are counted in the reference's bins: how far outside is not known.
  if (outside >= 0.05) return `${percent(outside)} outside of ${number(reference.min)} to ${number(reference.max)}`;
  const [from, to] = [reference.edges[most.at - 1], reference.edges[most.at]];
  const where =
    from === undefined
      ? `below ${number(to ?? 0)}`
      : to === undefined
        ? `from ${number(from)}`
        : `${number(from)} to ${number(to)}`;
  return `${where}: ${beside(most.now, most.before)}`;
}

function middleOf(binned: Binned): { from: number; median: number; to: number } {
  const [from = 0, median = 0, to = 0] = [0.25, 0.5, 0.75].map((at) => quantile(binned, at));
  return { from, median, to };
}

/** A summand of the population stability index. */
function weight(before: number, now: number): number {
  const [a, b] = [Math.max(before, 1e-4), Math.max(now, 1e-4)];
  return (b - a) * Math.log(b / a);
}

/** Of all, where `others` are the rest. */
function shareOf(count: number, others: number): number {
  return part(count, count + others);
}

function part(count: number, of: number): number {
  return of === 0 ? 0 : count / of;
}

function beside(now: number, before: number): string {
  return `${percent(now)}, was ${percent(before)}`;
}

function percent(share: number): string {
  const value = share * 100;
  return `${value >= 10 || value === 0 ? value.toFixed(0) : value >= 0.1 ? value.toFixed(1) : "under 0.1"} %`;
}

function number(value: number): string {
  return String(Number(value.toPrecision(3)));
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
