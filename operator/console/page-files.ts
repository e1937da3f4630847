import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";

/** A file of the page, as it is served. */
export interface PageFile {
  readonly contentType: string;
  readonly body: Buffer;
  /** For `If-None-Match`. */
  readonly etag: string;
}

/** By path: `/`, `/console.js`, ... */
export type PageFiles = ReadonlyMap<string, PageFile>;

/** What the page is made of: name of the built file, path, type. */
const FILES = [
  ["console.html", "/", "text/html; charset=utf-8"],
  ["console.js", "/console.js", "text/javascript; charset=utf-8"],
  ["console.css", "/console.css", "text/css; charset=utf-8"],
  ["console.svg", "/console.svg", "image/svg+xml"],
] as const;

/**
 * The page's files: those beside the operator's bundle; where the operator runs from its sources, they are built. Rejects where
 * neither can be had.
 */
export async function loadPageFiles(): Promise<PageFiles> {
  const built = await readBuilt().catch(async (error: unknown) => {
    if ((error as { code?: unknown } | null)?.code !== "ENOENT") throw error;
    return buildFromSources();
  });
  return new Map(
    FILES.map(([, path, contentType], index) => {
      const body = Buffer.from(built[index] ?? "");
      const etag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
      return [path, { contentType, body, etag }];
    }),
  );
}

function readBuilt(): Promise<Buffer[]> {
  return Promise.all(FILES.map(([name]) => readFile(new URL(name, import.meta.url))));
}

async function buildFromSources(): Promise<(string | Uint8Array)[]> {
  // Not a name that the bundler follows: what builds is no part of what is built.
  const builder = new URL("../../build/console-page.ts", import.meta.url).href;
  const { buildConsolePage } = (await import(builder)) as {
    buildConsolePage: () => Promise<{ readonly files: Readonly<Record<string, string | Uint8Array>> }>;
  };
  const { files } = await buildConsolePage();
  return FILES.map(([name]) => files[name] ?? "");
}
