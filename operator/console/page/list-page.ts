import type { VNode } from "preact";
import { useMemo, useState } from "preact/hooks";
import type { ListAnswer, ServiceRow } from "../console-views.ts";
import { h } from "./element.ts";
import { formatMs, formatNumber } from "./format.ts";
import { matchesFilter } from "./filter.ts";
import { DriftBadge, ReadyBadge, Table } from "./parts.ts";
import { hrefOf } from "./route.ts";

const HEAD = ["Name", "Namespace", "State", "Version", "Replicas", "Requests/s", "p99", "Errors/s", "Drift"];

/** All InferenceServices. */
export function ListPage({ answer }: { answer: ListAnswer }): VNode {
  const [filter, setFilter] = useState("");
  const { services } = answer;
  const shown = useMemo(() => services.filter((row) => matchesFilter(row, filter)), [services, filter]);
  const total = (of: (row: ServiceRow) => number): number => services.reduce((sum, row) => sum + of(row), 0);
  return h(
    "div",
    null,
    h("h1", { tabIndex: -1 }, "InferenceServices"),
    h(
      "dl",
      { class: "tiles" },
      tile("Services", formatNumber(services.length)),
      tile("Not ready", formatNumber(total(({ ready, reason }) => Number(ready === "False" && reason !== "Stopped")))),
      tile("Drifting", formatNumber(total(({ drift }) => Number(drift === "Drifting")))),
      tile("Requests/s", formatNumber(total(({ recent }) => recent?.requestsPerSecond ?? 0))),
      tile("Errors/s", formatNumber(total(({ recent }) => recent?.errorsPerSecond ?? 0))),
    ),
    h(
      "div",
      { class: "toolbar" },
      h("label", { for: "filter" }, "Filter"),
      h("input", {
        id: "filter",
        type: "search",
        value: filter,
        placeholder: "name, namespace, state, drift",
        autocomplete: "off",
        spellcheck: false,
        onInput: (event: Event) => setFilter((event.currentTarget as HTMLInputElement).value),
      }),
      h("output", { for: "filter" }, `${shown.length} of ${services.length}`),
    ),
    services.length === 0
      ? h("p", { class: "empty" }, "There is no InferenceService that you may see. Apply one, and it appears here.")
      : h(Table, { label: "InferenceServices", head: HEAD, class: "list" }, shown.map(rowOf)),
  );
}

function tile(term: string, value: string): VNode {
  return h("div", { class: "tile", key: term }, h("dt", null, term), h("dd", null, value));
}

function rowOf(row: ServiceRow): VNode {
  const { namespace, name, activeVersion, targetVersion, recent } = row;
  return h(
    "tr",
    { key: `${namespace}/${name}` },
    h(
      "th",
      { scope: "row" },
      h("a", { href: hrefOf({ page: "service", namespace, name, section: "overview" }) }, name),
    ),
    h("td", null, namespace),
    h("td", null, h(ReadyBadge, row)),
    h(
      "td",
      { class: "number" },
      activeVersion ?? "–",
      targetVersion !== undefined && h("span", { class: "target" }, ` → ${targetVersion}`),
    ),
    h("td", { class: "number" }, row.replicas),
    h("td", { class: "number" }, formatNumber(recent?.requestsPerSecond)),
    h("td", { class: "number" }, formatMs(recent?.p99Ms)),
    h(
      "td",
      { class: (recent?.errorsPerSecond ?? 0) > 0 ? "number alarming" : "number" },
      formatNumber(recent?.errorsPerSecond),
    ),
    h("td", null, h(DriftBadge, row)),
  );
}
