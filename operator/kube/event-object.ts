import { cutToBytes } from "../api/cut-text.ts";
import type { ClusterEvent } from "./cluster.ts";
import { referenceTo } from "./object.ts";
import { RESOURCES } from "./resources.ts";

const REPORTING_CONTROLLER = "serving.lockstep.dev/operator";
/** What the API server takes at most of an event's note and of the name of who reports it. */
const MAX_NOTE_BYTES = 1024;
const MAX_IDENTITY_LENGTH = 128;

/** The events.k8s.io/v1 Event for an event. Its time is of now, its note cut to what the API server takes. */
export function eventObject(
  event: ClusterEvent,
  { namespace, identity, now }: { readonly namespace: string; readonly identity: string; readonly now: Date },
): object {
  const { uid, resourceVersion } = event.regarding.metadata;
  return {
    apiVersion: RESOURCES.events.apiVersion,
    kind: RESOURCES.events.kind,
    metadata: { name: event.name, namespace },
    // Microseconds are part of the format.
    eventTime: now.toISOString().replace("Z", "000Z"),
    reportingController: REPORTING_CONTROLLER,
    reportingInstance: identity.slice(0, MAX_IDENTITY_LENGTH),
    action: event.action,
    reason: event.reason,
    type: event.type,
    note: cutToBytes(event.note, MAX_NOTE_BYTES),
    regarding: { ...referenceTo(event.regarding), uid, resourceVersion },
  };
}
