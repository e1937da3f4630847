import { expect, test } from "vitest";
import { cloudEventsOf } from "../../../../../runtime/monitoring/payload/cloud-event.ts";
import type { EncodedBody } from "../../../../../runtime/monitoring/payload/payload-encoder.ts";
import { HEAD } from "../../../../fixtures/payload-fixtures.ts";

const BODY: EncodedBody = { pieces: [Buffer.from("{}")], sizeBytes: 2, tensorsAt: undefined };
const SERVICE = { namespace: "flowers", name: "iris-service" };

test("a payload is two events in binary content mode, with the names of KServe's logger", () => {
  const events = cloudEventsOf({ head: HEAD, request: BODY, response: BODY, heldBytes: 0 }, SERVICE);
  const common = {
    "content-type": "application/json",
    "content-length": "2",
    "ce-specversion": "1.0",
    "ce-id": "request-1",
    "ce-source": "/namespaces/flowers/inferenceservices/iris-service",
    "ce-inferenceservicename": "iris-service",
    "ce-namespace": "flowers",
    "ce-component": "predictor",
    "ce-endpoint": "default",
    "ce-modelname": "iris",
    "ce-modelversion": "3",
    "ce-modeldigest": "sha256:0123",
  };
  expect(events.map(({ headers }) => headers)).toEqual([
    { ...common, "ce-type": "org.kubeflow.serving.inference.request", "ce-time": "2026-03-04T05:06:07.089Z" },
    {
      ...common,
      "ce-type": "org.kubeflow.serving.inference.response",
      "ce-time": "2026-03-04T05:06:07.091Z",
      "ce-code": "OK",
    },
  ]);
});

test("names of attributes are what CloudEvents allow", () => {
  for (const { headers } of cloudEventsOf({ head: HEAD, request: BODY, response: BODY, heldBytes: 0 }, SERVICE))
    for (const name of Object.keys(headers)) expect(name).toMatch(/^(ce-[a-z0-9]{1,20}|content-(type|length))$/);
});

test.each([
  ['a"b%c d', "a%22b%25c%20d"],
  ["grüße\r\nx: y", "gr%C3%BC%C3%9Fe%0D%0Ax:%20y"],
  ["😀", "%F0%9F%98%80"],
])("a value %j is written as %j", (id, expected) => {
  const [event] = cloudEventsOf({ head: { ...HEAD, id }, request: BODY, response: undefined, heldBytes: 0 }, SERVICE);
  expect(event?.headers["ce-id"]).toBe(expected);
});

test("a half that is not logged is no event", () => {
  const [event, ...others] = cloudEventsOf({ head: HEAD, request: undefined, response: BODY, heldBytes: 0 }, SERVICE);
  expect(event?.headers["ce-type"]).toBe("org.kubeflow.serving.inference.response");
  expect(others).toEqual([]);
});
