import type { VNode } from "preact";
import type { TimelineEntry } from "../console-views.ts";
import { h } from "./element.ts";
import { formatAge } from "./format.ts";
import { Badge, type Tone } from "./parts.ts";

const KINDS: Readonly<Record<TimelineEntry["kind"], Tone>> = {
  version: "good",
  state: "busy",
  failure: "bad",
  drift: "warn",
  spec: "quiet",
};

/** What has happened, newest first. */
export function HistorySection({ timeline, nowMs }: { timeline: readonly TimelineEntry[]; nowMs: number }): VNode {
  return h(
    "div",
    null,
    h(
      "p",
      { class: "lead" },
      "What this operator has seen since it runs, and what conditions tell of before. Kubernetes keeps events, too: kubectl describe isvc.",
    ),
    timeline.length === 0 && h("p", { class: "empty" }, "Nothing yet."),
    h(
      "ol",
      { class: "timeline" },
      timeline.map(({ atMs, kind, text }, index) =>
        h(
          "li",
          { key: `${atMs} ${index}` },
          h(
            "time",
            { dateTime: new Date(atMs).toISOString(), title: new Date(atMs).toLocaleString("en-GB") },
            formatAge(atMs, nowMs),
          ),
          h(Badge, { tone: KINDS[kind] }, kind),
          h("span", { class: "entry" }, text),
        ),
      ),
    ),
  );
}
