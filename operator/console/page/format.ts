/** Numbers and times for people. A dash stands for what is not known. */
const UNKNOWN = "–";

/** At most three digits that count. */
export function formatNumber(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return UNKNOWN;
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en-US");
  if (size < 0.001) return value.toExponential(1);
  return String(Number(value.toPrecision(3)));
}

/** Milliseconds, or seconds where they are many. */
export function formatMs(value: number | undefined): string {
  if (value === undefined) return UNKNOWN;
  return value >= 10_000 ? `${formatNumber(value / 1000)} s` : `${formatNumber(value)} ms`;
}

/** A share, 0 to 1, in percent. */
export function formatShare(value: number | undefined): string {
  if (value === undefined) return UNKNOWN;
  const percent = 100 * value;
  return `${percent !== 0 && percent < 10 ? Number(percent.toFixed(1)) : Math.round(percent)} %`;
}

/** How long ago something was, such as `5 min ago`. */
export function formatAge(atMs: number | undefined, nowMs: number): string {
  if (atMs === undefined || !Number.isFinite(atMs)) return UNKNOWN;
  const seconds = Math.max(Math.round((nowMs - atMs) / 1000), 0);
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} days ago`;
}

/** The time of day, in the zone of who looks. */
export function formatTime(atMs: number): string {
  return new Date(atMs).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
}
