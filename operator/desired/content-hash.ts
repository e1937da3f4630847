import { createHash } from "node:crypto";
import { canonicalJson } from "../../common/canonical-json.ts";

/** A short hash of a JSON value that does not depend on the order of keys; fit for names and labels. */
export function contentHash(value: unknown): string {
  return createHash("sha256").update(canonicalJson(value)).digest("hex").slice(0, 10);
}
