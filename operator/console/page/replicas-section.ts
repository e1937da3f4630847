import { Fragment, type VNode } from "preact";
import type { ReplicaView, ServiceView } from "../console-views.ts";
import { h } from "./element.ts";
import { formatAge } from "./format.ts";
import { Badge, Notice, Table, type Tone } from "./parts.ts";

const STATES: Readonly<Record<string, Tone>> = {
  Available: "good",
  Loading: "busy",
  Start: "busy",
  Unloading: "quiet",
  End: "quiet",
};
const GATES: Readonly<Record<string, Tone>> = { Serving: "good", Fenced: "busy", Unjoined: "quiet", Unsure: "bad" };

/** Which replica holds which version. */
export function ReplicasSection({ service, nowMs }: { service: ServiceView; nowMs: number }): VNode {
  const { replicaList, replicasOmitted } = service;
  const versions = [...new Set(replicaList.flatMap(({ versions: own }) => own.map(({ version }) => version)))].toSorted(
    (a, b) => a - b,
  );
  const failures = replicaList.flatMap(({ pod, versions: own }) =>
    own.flatMap(({ version, failure }) => (failure === undefined ? [] : [{ pod, version, failure }])),
  );
  if (replicaList.length === 0) return h("p", { class: "empty" }, "There is no replica.");
  return h(
    Fragment,
    null,
    h(
      Table,
      {
        label: "Replicas and their versions",
        class: "matrix",
        head: [
          "Replica",
          "Phase",
          ...versions.map((version) => `Version ${version}`),
          "Gate",
          "Epoch",
          "Restarts",
          "Started",
        ],
      },
      replicaList.map((replica) => rowOf(replica, versions, nowMs)),
    ),
    replicasOmitted > 0 && h("p", { class: "quiet" }, `${replicasOmitted} more replicas are left out.`),
    replicaList.some(({ isHeard }) => !isHeard) &&
      h(
        "p",
        { class: "quiet" },
        "A replica that does not run yet, or does not answer this operator, tells nothing of its versions.",
      ),
    failures.map(({ pod, version, failure }) =>
      h(Notice, { tone: "bad", key: `${pod} ${version}` }, `${pod}, version ${version}: ${failure}`),
    ),
    h(
      "dl",
      { class: "glossary" },
      term("Serving", "requests that name no version are answered by the epoch's version"),
      term("Fenced", "they wait a moment, while all replicas change to another version"),
      term("Unjoined", "the replica is new, and answers none of them yet"),
      term("Unsure", "a fence was not lifted in time: it answers none until the operator tells it more"),
    ),
  );
}

function rowOf(replica: ReplicaView, versions: readonly number[], nowMs: number): VNode {
  const { pod, isReady, isGoing, isHeard, phase, gate, epoch, held, restarts, createdAtMs, activeVersion } = replica;
  return h(
    "tr",
    { key: pod },
    h("th", { scope: "row" }, pod),
    h("td", null, h(Badge, { tone: isGoing ? "quiet" : isReady ? "good" : "busy" }, isGoing ? "Ending" : phase)),
    versions.map((version) => {
      const own = replica.versions.find((each) => each.version === version);
      if (own === undefined) return h("td", { key: version, class: "none" }, isHeard ? "–" : "unknown");
      const isActive = version === activeVersion;
      const tone = own.failure === undefined ? (STATES[own.state] ?? "quiet") : "bad";
      return h(
        "td",
        { key: version, class: isActive ? "active" : "" },
        h(Badge, { tone }, own.failure === undefined ? own.state : "Failed"),
        isActive && h("span", { class: "active-mark" }, " active"),
      );
    }),
    h(
      "td",
      null,
      gate === undefined ? (isHeard ? "–" : "unknown") : h(Badge, { tone: GATES[gate] ?? "quiet" }, gate),
      held > 0 && ` ${held} wait`,
    ),
    h("td", { class: "number" }, epoch ?? "–"),
    h("td", { class: restarts > 0 ? "number alarming" : "number" }, restarts),
    h("td", null, formatAge(createdAtMs, nowMs)),
  );
}

function term(name: string, meaning: string): VNode {
  return h("div", { key: name }, h("dt", null, name), h("dd", null, meaning));
}
