import { existsSync, globSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { REPLICA_FAILURES } from "../../../common/reasons.ts";
import { OPERATOR_FAILURES } from "../../../operator/api/reasons.ts";

const ROOT = path.join(import.meta.dirname, "../../..");
const PAGES = globSync(["*.md", "docs/**/*.md", "charts/**/*.md", "examples/**/*.md", "test/**/*.md"], { cwd: ROOT });

/** Addresses of a page's headings, as GitHub makes them. */
function anchors(page: string): Set<string> {
  const seen = new Map<string, number>();
  return new Set(
    [...withoutCode(page).matchAll(/^#{1,6} +(.+)$/gm)].map(([, heading = ""]) => {
      const anchor = heading
        .toLowerCase()
        .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
        .replaceAll(/[^\p{L}\p{N}\- _]/gu, "")
        .replaceAll(" ", "-");
      const count = seen.get(anchor) ?? 0;
      seen.set(anchor, count + 1);
      return count === 0 ? anchor : `${anchor}-${count}`;
    }),
  );
}

function withoutCode(page: string): string {
  return page.replaceAll(/^( *)(```|~~~)[^]*?^\1\2$/gm, "");
}

/** Links of a page that lead nowhere; `read` gives the text of a file, or undefined where there is none. */
function deadLinks(page: string, text: string, read: (file: string) => string | undefined): string[] {
  const prose = withoutCode(text).replaceAll(/`[^`\n]*`/g, "");
  const targets = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target);
  return targets.filter((target) => {
    if (/^(https?|mailto):/.test(target)) return false;
    const [file = "", anchor] = target.split("#");
    const found = file === "" ? text : read(path.join(path.dirname(page), file));
    return found === undefined || (anchor !== undefined && !anchors(found).has(anchor));
  });
}

function readFile(file: string): string | undefined {
  const absolute = path.join(ROOT, file);
  if (!existsSync(absolute)) return undefined;
  return file.endsWith(".md") ? readFileSync(absolute, "utf8") : "";
}

test.each(PAGES)("every link of %s leads somewhere", (page) => {
  expect(deadLinks(page, readFile(page) ?? "", readFile)).toEqual([]);
});

describe("a dead link is found", () => {
  const read = (file: string) => ({ "docs/b.md": "# The `B` page\n\n## Twice\n\n## Twice\n" })[file];

  test.each([
    ["to no file", "[x](c.md)", ["c.md"]],
    ["to no heading", "[x](b.md#nowhere)", ["b.md#nowhere"]],
    ["to no heading of its own", "# Here\n[x](#there)", ["#there"]],
    ["but not in code", "```\n[x](c.md)\n```\n`[x](d.md)`", []],
    ["and living ones are not", "# Here\n[x](b.md) [x](b.md#the-b-page) [x](b.md#twice-1) [x](#here)", []],
    ["nor other people's", "[x](https://example.com/#a)", []],
  ])("%s", (_words, text, dead) => {
    expect(deadLinks("docs/a.md", text, read)).toEqual(dead);
  });
});

test("troubleshooting has every reason that somebody can do something about", () => {
  const page = readFile("docs/troubleshooting.md") ?? "";
  const reasons = [...Object.keys(REPLICA_FAILURES), ...Object.keys(OPERATOR_FAILURES)];
  expect(reasons.filter((reason) => !page.includes(`reasons.md#${reason.toLowerCase()})`))).toEqual([]);
});
