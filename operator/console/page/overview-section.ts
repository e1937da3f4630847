import { Fragment, type VNode } from "preact";
import type { ConditionView, ServiceView, VersionView } from "../console-views.ts";
import { h } from "./element.ts";
import { formatAge, formatMs, formatNumber, formatShare } from "./format.ts";
import { Badge, Card, DriftBadge, Reason, Table, type Tone } from "./parts.ts";
import { TrafficCharts } from "./traffic-section.ts";

/** How an InferenceService is. */
export function OverviewSection({ service, nowMs }: { service: ServiceView; nowMs: number }): VNode {
  return h(
    Fragment,
    null,
    service.failures.length > 0 &&
      h(
        Card,
        { title: "Failures", wide: true },
        service.failures.map((failure, index) =>
          h(
            "div",
            { class: "failure", key: index },
            h(Badge, { tone: "bad" }, failure.reason),
            h(
              "span",
              { class: "quiet" },
              [failure.pod, failure.version === undefined ? undefined : `version ${failure.version}`]
                .filter((part) => part !== undefined)
                .join(", "),
            ),
            h(Reason, failure),
          ),
        ),
        h(
          "p",
          { class: "quiet" },
          "All reasons are in docs/reference/reasons.md, and what to try in docs/troubleshooting.md.",
        ),
      ),
    h("div", { class: "cards" }, h(TrafficCharts, { service, only: ["latency", "rate"] })),
    h(Card, { title: "Versions", wide: true }, h(Versions, { service })),
    h(
      "div",
      { class: "cards" },
      h(Card, { title: "Conditions" }, h(Conditions, { service, nowMs })),
      h(Card, { title: "What is asked for" }, h(Facts, { service })),
    ),
  );
}

function Versions({ service }: { service: ServiceView }): VNode {
  const { versions } = service;
  if (versions.length === 0) return h("p", { class: "quiet" }, "No version is known yet.");
  const outcomes = versions.some((each) => each.outcomes !== undefined);
  const head = ["Version", "Role", "Share of requests", "Requests (5 min)", "Errors", "p50", "p99", "Drift"];
  return h(
    Table,
    { label: "Versions", head: outcomes ? [...head, "Outcomes"] : head },
    versions.map((each) =>
      h(
        "tr",
        { key: each.version },
        h("th", { scope: "row" }, each.version),
        h("td", null, roleOf(each)),
        h("td", null, h(ShareBar, { share: each.share })),
        h("td", { class: "number" }, formatNumber(each.requests)),
        h("td", { class: each.errors > 0 ? "number alarming" : "number" }, formatNumber(each.errors)),
        h("td", { class: "number" }, formatMs(each.p50Ms)),
        h("td", { class: "number" }, formatMs(each.p99Ms)),
        h("td", null, h(DriftBadge, each)),
        outcomes && h("td", null, outcomesInWords(each)),
      ),
    ),
  );
}

function roleOf({ isActive, isTarget, isPrevious }: VersionView): VNode | string {
  if (isActive) return h(Badge, { tone: "good" }, "active");
  if (isTarget) return h(Badge, { tone: "busy" }, "target");
  return isPrevious ? h(Badge, { tone: "quiet" }, "before") : "–";
}

function ShareBar({ share }: { share: number | undefined }): VNode {
  return h(
    "span",
    { class: "share" },
    h(
      "svg",
      { viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
      h("rect", { class: "track", width: 100, height: 8 }),
      h("rect", { class: "fill", width: 100 * (share ?? 0), height: 8 }),
    ),
    formatShare(share),
  );
}

function outcomesInWords({ outcomes }: VersionView): string {
  if (outcomes === undefined || outcomes.joined === 0) return "–";
  const { joined, accuracy, meanAbsoluteError, rootMeanSquaredError } = outcomes;
  const parts = [
    ...(accuracy === undefined ? [] : [`accuracy ${formatShare(accuracy)}`]),
    ...(meanAbsoluteError === undefined
      ? []
      : [`MAE ${formatNumber(meanAbsoluteError)}, RMSE ${formatNumber(rootMeanSquaredError)}`]),
  ];
  return `${parts.join(", ")} (${formatNumber(joined)} rows)`;
}

function toneOf({ type, status, isGood }: ConditionView): Tone {
  if (isGood) return "good";
  return status === "Unknown" || type === "Progressing" ? "busy" : "warn";
}

function Conditions({ service, nowMs }: { service: ServiceView; nowMs: number }): VNode {
  if (service.conditions.length === 0) return h("p", { class: "quiet" }, "The operator has said nothing yet.");
  return h(
    "ul",
    { class: "conditions" },
    service.conditions.map((condition) =>
      h(
        "li",
        { key: condition.type },
        h(
          "div",
          { class: "condition-head" },
          h("strong", null, condition.type),
          h(Badge, { tone: toneOf(condition) }, condition.status),
          h("span", { class: "quiet" }, `${condition.reason}, ${formatAge(condition.sinceMs, nowMs)}`),
        ),
        h(Reason, condition),
      ),
    ),
  );
}

function Facts({ service }: { service: ServiceView }): VNode {
  const { rollout } = service;
  const max = service.maxReplicas ?? Math.max(service.minReplicas, 1);
  const facts: readonly (readonly [string, string | number | undefined])[] = [
    ["Model", service.model],
    ["Storage", service.storageUri],
    ["Serves", service.versionPolicy],
    [
      "Replicas",
      service.isStopped ? "none: stopped" : max === service.minReplicas ? max : `${service.minReplicas} to ${max}`,
    ],
    ["Address", service.url],
    ["Version before", service.previousVersion],
    ["Epoch", service.epoch],
    [
      "Change of version",
      rollout &&
        `${rollout.phase}${rollout.phase === "Idle" ? "" : `, ${rollout.prepared} of ${rollout.total} replicas ready for it`}`,
    ],
    [
      "The last change held requests for",
      rollout?.lastSwitchHeldMs === undefined ? undefined : formatMs(rollout.lastSwitchHeldMs),
    ],
  ];
  return h(
    "dl",
    { class: "facts" },
    facts.map(
      ([name, value]) => value !== undefined && h("div", { key: name }, h("dt", null, name), h("dd", null, value)),
    ),
  );
}
