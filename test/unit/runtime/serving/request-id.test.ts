import { expect, test } from "vitest";
import { requestIdFrom } from "../../../../runtime/serving/request-id.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test.each(["my-id", "!", "~", "x".repeat(128)])("the client's own id is kept: %s", (given) => {
  expect(requestIdFrom(given)).toBe(given);
});

test("what is no id is replaced by a new one, in the form of a UUID", () => {
  const made = [undefined, "", "with blank", "tab\t", "naïve", "x".repeat(129), ["a"]].map(requestIdFrom);
  expect(new Set(made).size).toBe(made.length);
  for (const id of made) expect(id).toMatch(UUID);
});
