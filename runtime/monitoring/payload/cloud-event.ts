import type { EncodedBody, EncodedPayload } from "./payload-encoder.ts";
import type { PayloadHead } from "./payload.ts";

/** The types of KServe's inference logger: kserve/kserve, pkg/logger/worker.go. */
export const REQUEST_TYPE = "org.kubeflow.serving.inference.request";
export const RESPONSE_TYPE = "org.kubeflow.serving.inference.response";

/** Whose payloads they are. */
export interface PayloadService {
  readonly namespace: string;
  readonly name: string;
}

/** A CloudEvent in the HTTP protocol binding's binary content mode. */
export interface CloudEvent {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: EncodedBody;
}

/** The events of a payload: of the request, then of the response, as far as they are logged. */
export function cloudEventsOf({ head, request, response }: EncodedPayload, service: PayloadService): CloudEvent[] {
  const events: CloudEvent[] = [];
  const add = (type: string, timeMs: number, body: EncodedBody | undefined): void => {
    if (body !== undefined) events.push({ headers: headersOf(type, timeMs, { head, service, body }), body });
  };
  add(REQUEST_TYPE, head.startedAtMs, request);
  add(RESPONSE_TYPE, head.startedAtMs + head.totalMs, response);
  return events;
}

function headersOf(
  type: string,
  timeMs: number,
  of: { readonly head: PayloadHead; readonly service: PayloadService; readonly body: EncodedBody },
): Record<string, string> {
  const { head, service, body } = of;
  return {
    "content-type": "application/json",
    "content-length": String(body.sizeBytes),
    "ce-specversion": "1.0",
    "ce-type": type,
    "ce-id": headerValue(head.id),
    "ce-source": `/namespaces/${headerValue(service.namespace)}/inferenceservices/${headerValue(service.name)}`,
    "ce-time": new Date(timeMs).toISOString(),
    // Extension attributes of KServe's logger; its endpoint is "default" or a canary's.
    "ce-inferenceservicename": headerValue(service.name),
    "ce-namespace": headerValue(service.namespace),
    "ce-component": "predictor",
    "ce-endpoint": "default",
    "ce-modelname": headerValue(head.model),
    "ce-modelversion": String(head.version),
    "ce-modeldigest": headerValue(head.digest),
    ...(type === RESPONSE_TYPE && { "ce-code": head.code }),
  };
}

/** As section 3.1.3.2 of the binding has it: what is not printable ASCII, and space, quote and percent, as bytes of UTF-8. */
function headerValue(text: string): string {
  return text.replaceAll(/[^\x21\x23\x24\x26-\x7e]/gu, (character) =>
    [...Buffer.from(character, "utf8")].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join(""),
  );
}
