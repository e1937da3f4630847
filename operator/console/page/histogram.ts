import type { VNode } from "preact";
import { useId } from "preact/hooks";
import type { BinView, FeatureView } from "../console-views.ts";
import { h } from "./element.ts";
import { formatShare } from "./format.ts";
import { axisTicks } from "./scale.ts";
import { useWidth } from "./use-width.ts";

const HEIGHT = 150;
const INSET = { left: 40, right: 6, top: 8, bottom: 20 };
const ROW_HEIGHT = 30;
const MAX_ROWS = 12;

/** The reference and the window of a feature, laid over each other. */
export function Histogram({ feature, bins }: { feature: FeatureView; bins: readonly BinView[] }): VNode {
  const id = useId();
  const [ref, width] = useWidth<HTMLDivElement>(420);
  const label = `${feature.name}: ${feature.message}`;
  const draw = feature.kind === "categorical" ? drawCategories : drawNumbers;
  const { height, marks } = draw(bins, width);
  return h(
    "div",
    { ref },
    h(
      "svg",
      { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-labelledby": id },
      h("title", { id }, label),
      marks,
    ),
  );
}

interface Drawing {
  readonly height: number;
  readonly marks: readonly VNode[];
}

function drawNumbers(bins: readonly BinView[], width: number): Drawing {
  const ticks = axisTicks(Math.max(...bins.flatMap(({ reference, window: own }) => [reference, own])));
  const top = ticks.at(-1) ?? 1;
  const plotWidth = Math.max(width - INSET.left - INSET.right, 10);
  const plotHeight = HEIGHT - INSET.top - INSET.bottom;
  const slot = plotWidth / bins.length;
  const y = (share: number): number => INSET.top + plotHeight * (1 - share / top);
  const bar = (kind: string, index: number, share: number, inset: number): VNode =>
    h("rect", {
      key: `${kind} ${index}`,
      class: kind,
      x: (INSET.left + index * slot + slot * inset).toFixed(2),
      width: (slot * (1 - 2 * inset)).toFixed(2),
      y: y(share).toFixed(2),
      height: Math.max(INSET.top + plotHeight - y(share), 0).toFixed(2),
    });
  const named = [...new Set([0, Math.floor(bins.length / 2), bins.length - 1])];
  const marks = [
    ...ticks.map((tick) =>
      h(
        "g",
        { key: `tick ${tick}` },
        h("line", { class: "grid", x1: INSET.left, x2: width - INSET.right, y1: y(tick), y2: y(tick) }),
        h("text", { class: "tick", x: INSET.left - 5, y: y(tick) + 4, "text-anchor": "end" }, formatShare(tick)),
      ),
    ),
    ...bins.map(({ reference }, index) => bar("reference", index, reference, 0.04)),
    ...bins.map(({ window: own }, index) => bar("window", index, own, 0.24)),
    ...named.map((bin, index) =>
      h(
        "text",
        {
          key: `name ${bin}`,
          class: "tick",
          x:
            index === 0
              ? INSET.left
              : index === named.length - 1
                ? width - INSET.right
                : INSET.left + (bin + 0.5) * slot,
          y: HEIGHT - 5,
          "text-anchor": index === 0 ? "start" : index === named.length - 1 ? "end" : "middle",
        },
        bins[bin]?.label,
      ),
    ),
  ];
  return { height: HEIGHT, marks };
}

/** The commonest of either; the others are in the table. */
function drawCategories(bins: readonly BinView[], width: number): Drawing {
  const rows = bins
    .filter(({ reference, window: own }) => reference > 0 || own > 0)
    .toSorted((a, b) => Math.max(b.reference, b.window) - Math.max(a.reference, a.window))
    .slice(0, MAX_ROWS);
  const left = Math.min(120, width * 0.35);
  const top = Math.max(...rows.flatMap(({ reference, window: own }) => [reference, own]), 0.01);
  const length = (share: number): number => ((width - left - 100) * share) / top;
  const marks = rows.map(({ label, reference, window: own }, index) => {
    const at = index * ROW_HEIGHT + 4;
    const bar = (kind: string, share: number, y: number): VNode =>
      h("rect", { class: kind, x: left, y, width: Math.max(length(share), 0.5).toFixed(2), height: 10 });
    return h(
      "g",
      { key: label },
      h("text", { class: "tick", x: left - 6, y: at + 15, "text-anchor": "end" }, shortened(label)),
      bar("reference", reference, at),
      bar("window", own, at + 12),
      h(
        "text",
        { class: "tick", x: left + length(Math.max(reference, own)) + 5, y: at + 15 },
        `${formatShare(reference)} → ${formatShare(own)}`,
      ),
    );
  });
  return { height: Math.max(rows.length, 1) * ROW_HEIGHT + 4, marks };
}

function shortened(text: string): string {
  return text.length <= 15 ? text : `${text.slice(0, 14).toWellFormed()}…`;
}
