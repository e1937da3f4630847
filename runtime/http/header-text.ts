import type { Answer } from "./respond.ts";

/** What a header may hold that nobody could take for the end of it. */
const VALUE = /^[\t\x20-\x7e]*$/;
const NAME = /^[-!#$%&'*+.^_`|~0-9A-Za-z]+$/;

/** A header's name as it is. Throws TypeError if it is none. */
export function checkedName(name: string): string {
  if (!NAME.test(name)) throw new TypeError("header: expected a token for a name, got another");
  return name;
}

/** A header's value as it is. Throws TypeError if it could not be read back. */
export function checkedValue(value: string): string {
  if (!VALUE.test(value)) throw new TypeError("header: expected printable ASCII, got another character");
  return value;
}

/** Checks the headers that a dialect has made, where its fault can still be answered and logged. Throws TypeError. */
export function checkHeaders({ headers, contentType }: Pick<Answer, "headers" | "contentType">): void {
  if (contentType !== undefined) checkedValue(contentType);
  if (headers === undefined) return;
  for (const [name, value] of Object.entries(headers)) {
    checkedName(name);
    checkedValue(String(value));
  }
}
