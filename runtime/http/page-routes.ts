import { ServingError } from "../errors.ts";
import type { RestAnswer } from "../protocol/rest-route.ts";
import type { PageFiles } from "../ui/page-files.ts";
import type { Route } from "./rest-router.ts";

/** Where browsers find the page. */
const ROOT = "/";

/**
 * All that the page needs comes from this server, and nothing of it is written into it by scripts as markup. Nobody may
 * show it within another page, where clicks could be led astray.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data: blob:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const HEADERS = {
  "content-security-policy": POLICY,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
} as const;

/**
 * The routes of the page: `/` for browsers, and its files. `others` are the routes beside it: what answers `/` among them
 * goes on answering every other client, as if there were no page.
 */
export function pageRoutes(files: PageFiles, others: readonly Route[]): Route[] {
  const known = others.find(({ method, path }) => method === "GET" && path === ROOT);
  const root: Route = {
    ...known,
    method: "GET",
    path: ROOT,
    answer: (request, context) => {
      // Whoever keeps answers must keep both apart.
      if (wantsPage(request.accept))
        return answerFile(files, "index.html", { vary: "accept", "cache-control": "no-cache" });
      if (known === undefined) throw noSuchPath();
      return known.answer(request, context);
    },
  };
  // Their names stay the same from release to release.
  const asset = (name: "page.js" | "page.css"): Route => ({
    method: "GET",
    path: `/ui/${name}`,
    answer: () => answerFile(files, name, { "cache-control": "max-age=300" }),
  });
  return [root, asset("page.js"), asset("page.css")];
}

async function answerFile(
  files: PageFiles,
  name: Parameters<PageFiles["read"]>[0],
  headers: Readonly<Record<string, string>>,
): Promise<RestAnswer> {
  return { status: 200, ...(await files.read(name)), headers: { ...HEADERS, ...headers } };
}

/** Whether the header Accept is a browser's: it names HTML, and JSON at most as something less welcome. */
export function wantsPage(accept: string | undefined): boolean {
  return weightOf(accept, "text/html") > weightOf(accept, "application/json");
}

/** The weight that a media type has where it is named; 0 where it is not. */
function weightOf(accept: string | undefined, type: string): number {
  for (const range of accept?.toLowerCase().split(",") ?? []) {
    const [name, ...parameters] = range.split(";").map((part) => part.trim());
    if (name !== type) continue;
    const weight = parameters.find((parameter) => parameter.startsWith("q="))?.slice("q=".length);
    return weight === undefined ? 1 : Number(weight) || 0;
  }
  return 0;
}

/** The answer to a path that leads nowhere. */
export function noSuchPath(): ServingError {
  return new ServingError("NotFound", "path: expected one such as /v2/models/MODEL/infer or /predict, got another");
}
