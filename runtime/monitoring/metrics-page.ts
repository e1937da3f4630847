import { setImmediate } from "node:timers/promises";
import type { ExpositionForm, MetricFamily } from "./metric-families.ts";

/** A page is made in turns of so many characters, about 400 lines: less than half a millisecond. */
const TURN_LENGTH = 32_768;

/**
 * The text of all families, in order. Lets others work between its turns: `pause` resolves when they have (default: in
 * the event loop's next turn). A series that is new by then may be missing; each that is there is consistent in itself.
 */
export async function metricsPageOf(
  families: Iterable<MetricFamily>,
  pause: () => Promise<void> = setImmediate,
  form: ExpositionForm = "prometheus",
): Promise<string> {
  let page = "";
  let turnEnd = TURN_LENGTH;
  for (const family of families) {
    for (const text of family.text(form)) {
      page += text;
      if (page.length < turnEnd) continue;
      await pause();
      turnEnd = page.length + TURN_LENGTH;
    }
  }
  return form === "openmetrics" ? `${page}# EOF\n` : page;
}

/** The form that a scraper likes best, as its header Accept says. Prometheus' text format unless OpenMetrics is asked for. */
export function formOf(accept: string | undefined): ExpositionForm {
  if (accept === undefined) return "prometheus";
  const qualityOf = (type: string): number =>
    Math.max(0, ...accept.split(",").map((range) => qualityFor(type, range.trim().toLowerCase())));
  const open = qualityOf("application/openmetrics-text");
  return open > 0 && open >= qualityOf("text/plain") ? "openmetrics" : "prometheus";
}

/** The quality that one range of Accept gives a type; 0 for another type, or a version that is not written here. */
function qualityFor(type: string, range: string): number {
  const [name = "", ...parameters] = range.split(";").map((part) => part.trim());
  if (name !== type) return 0;
  const version = parameters.find((parameter) => parameter.startsWith("version="))?.slice("version=".length);
  if (type === "application/openmetrics-text" && version !== undefined && version !== "1.0.0") return 0;
  const quality = parameters.find((parameter) => parameter.startsWith("q="))?.slice("q=".length);
  const value = quality === undefined ? 1 : Number(quality);
  return Number.isFinite(value) ? Math.min(1, Math.max(0, value)) : 0;
}
