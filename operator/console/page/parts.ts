import type { ComponentChildren, VNode } from "preact";
import { useState } from "preact/hooks";
import type { DriftWord, ReasonView } from "../console-views.ts";
import { h } from "./element.ts";

export type Tone = "good" | "bad" | "warn" | "busy" | "quiet";

/** A word in a colour; the word alone says it all. */
export function Badge({ tone, children }: { tone: Tone; children: ComponentChildren }): VNode {
  return h("span", { class: `badge ${tone}` }, children);
}

export function DriftBadge({ drift }: { drift: DriftWord }): VNode {
  const tones: Record<DriftWord, Tone> = {
    Drifting: "bad",
    Steady: "good",
    Learning: "busy",
    Waiting: "busy",
    Off: "quiet",
    Unknown: "quiet",
  };
  return h(Badge, { tone: tones[drift] }, drift);
}

/** How condition Ready stands. */
export function ReadyBadge({ ready, reason }: { ready: string; reason: string }): VNode {
  const asleep = reason === "ScaledToZero" || reason === "Stopped";
  if (ready === "True") return h(Badge, { tone: "good" }, reason === "Serving" || reason === "" ? "Ready" : reason);
  if (asleep) return h(Badge, { tone: "quiet" }, reason);
  return h(Badge, { tone: ready === "False" ? "bad" : "busy" }, reason === "" ? "Unknown" : reason);
}

export function Card({ title, children, wide }: { title: string; children: ComponentChildren; wide?: boolean }): VNode {
  return h("section", { class: wide === true ? "card wide" : "card" }, h("h2", null, title), children);
}

/** A table that scrolls by itself where it is too wide, by keyboard too. */
export function Table(props: {
  label: string;
  head: readonly string[];
  children: ComponentChildren;
  class?: string;
}): VNode {
  return h(
    "div",
    { class: "scroll", role: "region", "aria-label": props.label, tabIndex: 0 },
    h(
      "table",
      { class: props.class ?? "" },
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          props.head.map((text) => h("th", { scope: "col", key: text }, text)),
        ),
      ),
      h("tbody", null, props.children),
    ),
  );
}

/** The same numbers as words, for who does not see a plot. */
export function Numbers(props: {
  label: string;
  head: readonly string[];
  rows: () => readonly (readonly string[])[];
}): VNode {
  const { label, head, rows } = props;
  const [isOpen, setIsOpen] = useState(false);
  const cells = (row: readonly string[]): VNode[] =>
    row.map((cell, column) =>
      column === 0 ? h("th", { scope: "row", key: column }, cell) : h("td", { key: column }, cell),
    );
  return h(
    "details",
    {
      class: "numbers",
      onToggle: (event: Event) => setIsOpen((event.currentTarget as HTMLDetailsElement).open),
    },
    h("summary", null, "Numbers", h("span", { class: "visually-hidden" }, ` of ${label}`)),
    // Many rows, and mostly nobody looks at them.
    isOpen &&
      h(
        Table,
        { label: `Numbers of ${label}`, head },
        rows().map((row, index) => h("tr", { key: index }, cells(row))),
      ),
  );
}

/** What a reason means and what to do. */
export function Reason({ reason, message, meaning, remedy }: ReasonView): VNode {
  return h(
    "div",
    { class: "reason" },
    message === "" ? (meaning ?? reason) : message,
    remedy !== undefined &&
      remedy !== "Nothing to do." &&
      h("p", { class: "remedy" }, h("strong", null, "What to do: "), remedy),
  );
}

export function Notice({ tone, children }: { tone: Tone; children: ComponentChildren }): VNode {
  return h("p", { class: `notice ${tone}`, role: tone === "bad" ? "alert" : "status" }, children);
}
