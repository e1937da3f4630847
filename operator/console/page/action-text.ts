import type { ServiceView } from "../console-views.ts";

/** What a person can do, as it is sent. */
export type Action =
  | { readonly action: "pin"; readonly version: number }
  | { readonly action: "scale"; readonly minReplicas: number; readonly maxReplicas: number | null }
  | { readonly action: "stop" }
  | { readonly action: "start" }
  | { readonly action: "relearn" };

/** What will happen when an action is confirmed: a sentence each. */
export function consequences(service: ServiceView, what: Action): string[] {
  const { name, activeVersion, versionPolicy, driftDetail } = service;
  switch (what.action) {
    case "pin":
      if (what.version === activeVersion)
        return [`${name} serves version ${what.version} already. It will stay with it, whatever is published.`];
      return [
        `All replicas of ${name} load version ${what.version}, then change to it at the same instant. Until then version ${activeVersion ?? "before"} answers.`,
        `The version policy becomes specific: [${what.version}]. Now it is: ${versionPolicy}. Newer versions are not served until the policy is changed again.`,
      ];
    case "scale": {
      const max = what.maxReplicas ?? Math.max(what.minReplicas, 1);
      const range = max === what.minReplicas ? `exactly ${max}` : `${what.minReplicas} to ${max}, as the load needs`;
      return [
        `The replicas of ${name} will be ${range}. Those that go finish their requests first.`,
        ...(what.minReplicas === 0
          ? ["When no request comes for a while, all replicas go; the next request wakes one."]
          : []),
      ];
    }
    case "stop":
      return [
        `All replicas of ${name} finish their requests and go. Requests are then refused until it is started again.`,
        "The Service, its address and the InferenceService stay.",
      ];
    case "start":
      return [`The replicas of ${name} come back, load the model, and answer as soon as they are ready.`];
    case "relearn": {
      const rows = driftDetail.state === "Learning" ? driftDetail.wantedRows : driftDetail.referenceRows;
      return [
        `What was learned of the data of ${name} is dropped. All replicas learn anew: about ${rows} rows that come from now on become the reference, and until then drift is not told.`,
        "Do so while the data is what it should be. Profiles that were published with a version stay.",
      ];
    }
    default:
      return what satisfies never;
  }
}

/** What an action is called on its button. */
export function actionTitle(action: Action["action"]): string {
  return { pin: "Pin a version", scale: "Scale", stop: "Stop", start: "Start", relearn: "Learn drift anew" }[action];
}
