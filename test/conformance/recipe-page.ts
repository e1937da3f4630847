import { readFileSync } from "node:fs";
import path from "node:path";

const PAGE = path.join(import.meta.dirname, "../../docs/guides/bring-your-model.md");

/** A request that the page shows, with its answer. */
export interface ShownRequest {
  /** Such as /v2/models/iris/infer. */
  readonly path: string;
  readonly body: string;
  readonly answer: unknown;
}

/** What the page shows of a recipe: from its code to the next heading. Throws an Error if it does not have it. */
export function sectionOf(recipe: string, page: string = readFileSync(PAGE, "utf8")): string {
  const from = page.indexOf(`<!-- examples/recipes/${recipe}: start -->`);
  if (from === -1) throw new Error(`expected ${recipe} in ${PAGE}`);
  const rest = page.slice(from);
  const end = withoutCode(rest).search(/^#{1,6} /m);
  return end === -1 ? rest : rest.slice(0, end);
}

/** Requests with curl in a section. */
export function requestsOf(section: string): ShownRequest[] {
  const pattern = /^\$ curl http:\/\/127\.0\.0\.1:8080(\/\S+) -d '([^']*)'\n(.*)$/gm;
  return [...section.matchAll(pattern)].map(([, address = "", body = "", answer = ""]) => ({
    path: address,
    body,
    answer: JSON.parse(answer),
  }));
}

/** What the section says that a command prints; undefined if it does not show the command. */
export function printed(section: string, command: string): string | undefined {
  const lines = section.split("\n");
  const at = lines.indexOf(`$ ${command}`);
  if (at === -1) return undefined;
  const length = lines.slice(at + 1).findIndex((line) => line === "```" || line.startsWith("$ "));
  return lines.slice(at + 1, at + 1 + length).join("\n");
}

/** As long as the page, with blanks in place of code, in which `#` is no heading. */
function withoutCode(page: string): string {
  return page.replaceAll(/^```[^]*?^```$/gm, (block) => " ".repeat(block.length));
}
