import { describe } from "vitest";
import { useFastPath } from "./http-fixtures.ts";

/** What holds of the server holds of it too when node's parser reads everything. */
useFastPath(false);

describe("attacks", async () => {
  await import("./http-attacks.test.ts");
});
describe("dialects", async () => {
  await import("./http-dialects.test.ts");
});
describe("draining", async () => {
  await import("./http-drain.test.ts");
});
describe("malformed requests", async () => {
  await import("./http-malformed.test.ts");
});
