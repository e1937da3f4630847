import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Logger } from "../../common/logger.ts";
import { ServingError } from "../errors.ts";

/** The files of the page, and what they are. */
const CONTENT_TYPES = {
  "index.html": "text/html; charset=utf-8",
  "page.js": "text/javascript; charset=utf-8",
  "page.css": "text/css; charset=utf-8",
} as const;

/** The name of a file of the page. */
export type PageFileName = keyof typeof CONTENT_TYPES;

/** A file for browsers. */
export interface PageFile {
  readonly contentType: string;
  readonly body: Uint8Array;
}

/** The page on which models can be tried. */
export interface PageFiles {
  /** Rejects with ServingError (Unavailable) if this program came without the page. */
  read(name: PageFileName): Promise<PageFile>;
}

/** Beside the bundle; in the sources there is no such folder. */
const BUNDLED = new URL("./ui/", import.meta.url);
const PAGE_SOURCE = new URL("./page/page.ts", import.meta.url);
/** Not for the bundle: named so that it does not find it. */
const BUILDER = new URL("../../build/bundle-page.ts", import.meta.url);

/**
 * The page that lies beside the bundle; a program that runs from its sources makes it of them. Nothing is read before
 * somebody asks, and then once.
 */
export function createPageFiles(logger: Logger): PageFiles {
  let files: Promise<ReadonlyMap<string, Uint8Array>> | undefined;
  return {
    async read(name) {
      files ??= readBundled()
        .catch(readSources)
        .catch((err: unknown) => {
          logger.warn({ err }, "the page for browsers can neither be read nor made");
          return new Map();
        });
      const body = (await files).get(name);
      if (body === undefined)
        throw new ServingError("Unavailable", "page: expected its files beside the program, got none");
      return { contentType: CONTENT_TYPES[name], body };
    },
  };
}

async function readBundled(): Promise<ReadonlyMap<string, Uint8Array>> {
  const names = Object.keys(CONTENT_TYPES);
  return new Map(await Promise.all(names.map(async (name) => [name, await readFile(new URL(name, BUNDLED))] as const)));
}

async function readSources(): Promise<ReadonlyMap<string, Uint8Array>> {
  const { buildPage } = (await import(BUILDER.href)) as {
    readonly buildPage: (entry: string) => Promise<{ readonly files: ReadonlyMap<string, Uint8Array> }>;
  };
  return (await buildPage(fileURLToPath(PAGE_SOURCE))).files;
}
