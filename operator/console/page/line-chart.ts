import type { VNode } from "preact";
import { useId, useState } from "preact/hooks";
import { h } from "./element.ts";
import { formatTime } from "./format.ts";
import { Numbers } from "./parts.ts";
import { axisTicks, linePieces } from "./scale.ts";
import { useWidth } from "./use-width.ts";

export interface Series {
  readonly name: string;
  readonly values: readonly (number | undefined)[];
  /** 1 to 6: colour and dashes. */
  readonly style: number;
}

const HEIGHT = 190;
const INSET = { left: 46, right: 8, top: 10, bottom: 22 };
const TIME_LABELS = 4;

/** Lines over time, with a legend that tells the values, and the numbers as a table. */
export function LineChart(props: {
  title: string;
  times: readonly number[];
  series: readonly Series[];
  format: (value: number | undefined) => string;
}): VNode {
  const { title, times, series, format } = props;
  const id = useId();
  const [ref, width] = useWidth<HTMLDivElement>(520);
  const [hovered, setHovered] = useState<number | undefined>(undefined);
  const [firstMs = 0, lastMs = 1] = [times[0], times.at(-1)];
  const values = series.flatMap((each) => each.values.filter((value) => value !== undefined));
  const ticks = axisTicks(Math.max(0, ...values));
  const top = ticks.at(-1) ?? 1;
  const plotWidth = Math.max(width - INSET.left - INSET.right, 10);
  const plotHeight = HEIGHT - INSET.top - INSET.bottom;
  const x = (atMs: number): number => INSET.left + (plotWidth * (atMs - firstMs)) / Math.max(lastMs - firstMs, 1);
  const y = (value: number): number => INSET.top + plotHeight * (1 - value / top);
  const maxGapMs = (3 * (lastMs - firstMs)) / Math.max(times.length - 1, 1);
  const shown = hovered !== undefined && hovered < times.length ? hovered : times.length - 1;

  const onMove = (event: PointerEvent): void => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    const atMs = firstMs + ((event.clientX - box.left - INSET.left) / plotWidth) * (lastMs - firstMs);
    let nearest = 0;
    for (const [index, time] of times.entries())
      if (Math.abs(time - atMs) < Math.abs((times[nearest] ?? 0) - atMs)) nearest = index;
    setHovered(nearest);
  };

  return h(
    "figure",
    { class: "chart", ref },
    h(
      "figcaption",
      null,
      h("span", { class: "chart-title" }, title),
      h("span", { class: "chart-time" }, hovered === undefined ? "now" : formatTime(times[shown] ?? 0)),
    ),
    h(
      "svg",
      {
        viewBox: `0 0 ${width} ${HEIGHT}`,
        height: HEIGHT,
        role: "img",
        "aria-labelledby": `${id}-t`,
        onPointerMove: onMove,
        onPointerLeave: () => setHovered(undefined),
      },
      h("title", { id: `${id}-t` }, summaryOf(title, series, format)),
      ticks.map((tick) =>
        h(
          "g",
          { key: tick },
          h("line", { class: "grid", x1: INSET.left, x2: width - INSET.right, y1: y(tick), y2: y(tick) }),
          h("text", { class: "tick", x: INSET.left - 6, y: y(tick) + 4, "text-anchor": "end" }, format(tick)),
        ),
      ),
      timeLabels(firstMs, lastMs).map((atMs, index, all) =>
        h(
          "text",
          {
            key: index,
            class: "tick",
            x: x(atMs),
            y: HEIGHT - 6,
            "text-anchor": index === 0 ? "start" : index === all.length - 1 ? "end" : "middle",
          },
          formatTime(atMs),
        ),
      ),
      hovered !== undefined &&
        h("line", {
          class: "cursor",
          x1: x(times[shown] ?? 0),
          x2: x(times[shown] ?? 0),
          y1: INSET.top,
          y2: INSET.top + plotHeight,
        }),
      series.map(({ name, values: own, style }) =>
        linePieces(times, own, maxGapMs).map((piece, index) =>
          h("polyline", {
            key: `${name} ${index}`,
            class: `line s${style}`,
            points: piece.map(({ atMs, value }) => `${x(atMs).toFixed(1)},${y(value).toFixed(1)}`).join(" "),
          }),
        ),
      ),
    ),
    h(
      "ul",
      { class: "legend" },
      series.map(({ name, values: own, style }) =>
        h(
          "li",
          { key: name },
          h(
            "svg",
            { class: "swatch", viewBox: "0 0 18 8", "aria-hidden": "true" },
            h("line", { class: `line s${style}`, x1: 1, x2: 17, y1: 4, y2: 4 }),
          ),
          `${name} `,
          h("strong", null, format(own[shown])),
        ),
      ),
    ),
    h(Numbers, {
      label: title,
      head: ["Time", ...series.map(({ name }) => name)],
      rows: () =>
        times
          .map((atMs, index) => [formatTime(atMs), ...series.map(({ values: own }) => format(own[index]))])
          .toReversed(),
    }),
  );
}

function timeLabels(firstMs: number, lastMs: number): number[] {
  return Array.from({ length: TIME_LABELS }, (_, index) => firstMs + (index * (lastMs - firstMs)) / (TIME_LABELS - 1));
}

function summaryOf(title: string, series: readonly Series[], format: (value: number | undefined) => string): string {
  const said = series.map(({ name, values }) => {
    const known = values.filter((value) => value !== undefined);
    return known.length === 0
      ? `${name}: nothing is known`
      : `${name}: now ${format(known.at(-1))}, at most ${format(Math.max(...known))}`;
  });
  return `${title}. ${said.join("; ")}`;
}
