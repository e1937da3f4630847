import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { DriftView, ServiceAnswer } from "../console-views.ts";
import { h } from "./element.ts";
import { ActionDialog } from "./action-dialog.ts";
import { actionTitle, type Action } from "./action-text.ts";
import { DriftSection } from "./drift-section.ts";
import { formatMs, formatNumber } from "./format.ts";
import { HistorySection } from "./history-section.ts";
import { OverviewSection } from "./overview-section.ts";
import { DriftBadge, Notice, ReadyBadge } from "./parts.ts";
import { ReplicasSection } from "./replicas-section.ts";
import { hrefOf, SECTIONS, type Section } from "./route.ts";
import { TrafficCharts } from "./traffic-section.ts";

const TITLES: Readonly<Record<Section, string>> = {
  overview: "Overview",
  traffic: "Traffic",
  replicas: "Replicas",
  drift: "Drift",
  history: "History",
};

export interface ServicePageProps {
  readonly answer: ServiceAnswer;
  readonly section: Section;
  readonly token: string;
  readonly onToken: (token: string) => void;
  readonly onChanged: () => void;
}

/** One InferenceService. */
export function ServicePage({ answer, section, token, onToken, onChanged }: ServicePageProps): VNode {
  const [asked, setAsked] = useState<Action["action"] | undefined>(undefined);
  const [done, setDone] = useState("");
  const { service, takenAtMs } = answer;
  const { namespace, name, activeVersion, targetVersion, recent, isStopped } = service;
  const actions: Action["action"][] = ["pin", "scale", isStopped ? "start" : "stop"];
  if (section === "drift" && isLearned(service.driftDetail)) actions.push("relearn");
  return h(
    "div",
    null,
    h(
      "nav",
      { class: "crumbs", "aria-label": "Where you are" },
      h("a", { href: "#/" }, "InferenceServices"),
      " / ",
      namespace,
    ),
    h(
      "div",
      { class: "headline" },
      h("h1", { tabIndex: -1 }, name),
      h(ReadyBadge, service),
      h(DriftBadge, service),
      h(
        "div",
        { class: "actions", role: "group", "aria-label": "Actions" },
        actions.map((action) =>
          h("button", { key: action, type: "button", onClick: () => setAsked(action) }, `${actionTitle(action)}…`),
        ),
      ),
    ),
    done !== "" && h(Notice, { tone: "good" }, done),
    h(
      "dl",
      { class: "tiles" },
      tile(
        "Version",
        h(
          "span",
          null,
          activeVersion ?? "–",
          targetVersion !== undefined && h("span", { class: "target" }, ` → ${targetVersion}`),
        ),
      ),
      tile("Replicas ready", service.replicas),
      tile("Requests/s", formatNumber(recent?.requestsPerSecond)),
      tile("p99", formatMs(recent?.p99Ms)),
      tile("Errors/s", formatNumber(recent?.errorsPerSecond)),
    ),
    h(
      "nav",
      { class: "sections", "aria-label": "Parts of this page" },
      SECTIONS.map((each) =>
        h(
          "a",
          {
            key: each,
            href: hrefOf({ page: "service", namespace, name, section: each }),
            "aria-current": each === section ? "page" : undefined,
          },
          TITLES[each],
        ),
      ),
    ),
    section !== "overview" && h("h2", { class: "visually-hidden" }, TITLES[section]),
    sectionOf(section, answer, takenAtMs),
    asked !== undefined &&
      h(ActionDialog, {
        key: asked,
        service,
        kind: asked,
        token,
        onToken,
        onDone: (message) => {
          setAsked(undefined);
          setDone(message);
          onChanged();
        },
        onClose: () => setAsked(undefined),
      }),
  );
}

/** Whether there is anything that could be learned anew: a profile that was published is not. */
function isLearned({ state, source }: DriftView): boolean {
  return state !== "Off" && state !== "Unknown" && source !== "Published";
}

function sectionOf(section: Section, { service }: ServiceAnswer, nowMs: number): VNode {
  switch (section) {
    case "overview":
      return h(OverviewSection, { service, nowMs });
    case "traffic":
      return h("div", { class: "cards" }, h(TrafficCharts, { service }));
    case "replicas":
      return h(ReplicasSection, { service, nowMs });
    case "drift":
      return h(DriftSection, { drift: service.driftDetail });
    case "history":
      return h(HistorySection, { timeline: service.timeline, nowMs });
    default:
      return section satisfies never;
  }
}

function tile(term: string, value: VNode | string): VNode {
  return h("div", { class: "tile", key: term }, h("dt", null, term), h("dd", null, value));
}
