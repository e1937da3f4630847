import { expect, test } from "vitest";
import { wantsPage } from "../../../../runtime/http/page-routes.ts";

test.each([
  ["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true],
  ["Text/HTML", true],
  ["application/json;q=0.5, text/html", true],
  ["text/html, application/json", false],
  ["application/json, text/plain, */*", false],
  ["text/html;q=0", false],
  ["text/html;q=x", false],
  ["text/htmlx", false],
  ["*/*", false],
  ["text/*", false],
  ["", false],
  [undefined, false],
])("whoever accepts %j is a browser: %j", (accept, expected) => {
  expect(wantsPage(accept)).toBe(expected);
});
