import { Fragment, type VNode } from "preact";
import { useState } from "preact/hooks";
import type { DriftView, FeatureView } from "../console-views.ts";
import { h } from "./element.ts";
import { formatNumber, formatShare } from "./format.ts";
import { Histogram } from "./histogram.ts";
import { Badge, Numbers } from "./parts.ts";

const SHOWN_AT_FIRST = 12;

/** How what the model is asked and answers differs from its reference, what moved most first. */
export function DriftSection({ drift }: { drift: DriftView }): VNode {
  const [showsAll, setShowsAll] = useState(false);
  const withBins = drift.features.filter(({ bins }) => bins !== undefined);
  const shown = showsAll ? withBins : withBins.slice(0, SHOWN_AT_FIRST);
  return h(
    Fragment,
    null,
    h("p", { class: "lead" }, inWords(drift)),
    shown.length > 0 &&
      h(
        "ul",
        { class: "legend", "aria-label": "Legend" },
        h("li", null, key("reference"), "reference"),
        h("li", null, key("window"), "the newest requests"),
      ),
    h(
      "div",
      { class: "cards features" },
      shown.map((feature) => h(FeatureCard, { key: `${feature.side} ${feature.name}`, feature })),
    ),
    withBins.length > shown.length &&
      h(
        "button",
        { type: "button", onClick: () => setShowsAll(true) },
        `Show ${withBins.length - shown.length} more that moved less`,
      ),
    drift.features.length > withBins.length &&
      h(
        "p",
        { class: "quiet" },
        `${drift.features.length - withBins.length} more features have moved less than these.`,
      ),
  );
}

function inWords(drift: DriftView): string {
  const { state, version, rows, wantedRows, source, referenceRows, features } = drift;
  const reference =
    source === "Published" ? "the profile that was published with it" : "a reference learned from its requests";
  const moved = features.filter(({ isDrifting }) => isDrifting).length;
  switch (state) {
    case "Off":
      return "Drift is not watched: spec.predictor.monitoring.drift.enabled is false.";
    case "Unknown":
      return "Nothing is known of drift: this operator has heard of no replica that watches it.";
    case "Learning":
      return `The reference of version ${version} is being made of its requests: ${formatNumber(rows)} of ${formatNumber(wantedRows)} rows have come.`;
    case "Waiting":
      return `Too few rows have come to compare version ${version} with ${reference}: ${formatNumber(rows)} so far.`;
    case "Steady":
    case "Drifting":
      return `${moved === 0 ? "No feature has moved" : `${moved} of ${features.length} features have moved`}: the newest ${formatNumber(rows)} rows of version ${version} beside ${reference} (${formatNumber(referenceRows)} rows).`;
    default:
      return state satisfies never;
  }
}

function key(kind: string): VNode {
  return h(
    "svg",
    { class: "swatch", viewBox: "0 0 18 10", "aria-hidden": "true" },
    h("rect", { class: kind, x: 1, y: 1, width: 16, height: 8 }),
  );
}

function FeatureCard({ feature }: { feature: FeatureView }): VNode {
  const { name, side, isDrifting, message, psi, ks, js, wasserstein, pValue, missing, outOfRange, bins = [] } = feature;
  const numeric = feature.kind === "numeric";
  return h(
    "section",
    { class: isDrifting ? "card feature moved" : "card feature" },
    h(
      "h2",
      null,
      h("span", { class: "feature-name" }, name),
      h(Badge, { tone: "quiet" }, side),
      isDrifting ? h(Badge, { tone: "bad" }, "moved") : h(Badge, { tone: "good" }, "steady"),
    ),
    message !== "" && h("p", { class: "message" }, message),
    h(Histogram, { feature, bins }),
    h(
      "dl",
      { class: "stats" },
      stat("PSI", formatNumber(psi), "Population stability index: 0.1 is called moderate, 0.25 large"),
      numeric && stat("KS", formatNumber(ks), "Kolmogorov-Smirnov distance, 0 to 1"),
      stat("JS", formatNumber(js), "Jensen-Shannon distance, 0 to 1"),
      numeric && stat("W1", formatNumber(wasserstein), "Wasserstein distance, in spreads of the reference"),
      stat("p", formatNumber(pValue), "That chance alone moves it so far"),
      (missing.window > 0 || missing.reference > 0) &&
        stat(
          "missing",
          `${formatShare(missing.reference)} → ${formatShare(missing.window)}`,
          "Values that are no number or absent",
        ),
      outOfRange > 0 &&
        stat("out of range", formatShare(outOfRange), "Below the least or above the greatest of the reference"),
    ),
    h(Numbers, {
      label: name,
      head: [numeric ? "Values" : "Category", "Reference", "Newest"],
      rows: () => bins.map(({ label, reference, window: own }) => [label, formatShare(reference), formatShare(own)]),
    }),
  );
}

function stat(term: string, value: string, title: string): VNode {
  return h("div", { title, key: term }, h("dt", null, term), h("dd", null, value));
}
