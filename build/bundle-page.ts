import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { build, type BuildOptions, type Metafile } from "esbuild";

const ROOT = path.resolve(import.meta.dirname, "..");

/** How scripts and styles for browsers are made: in memory. */
export const FOR_BROWSERS = {
  absWorkingDir: ROOT,
  write: false,
  bundle: true,
  platform: "browser",
  format: "esm",
  target: ["es2022", "chrome110", "firefox115", "safari16"],
  minify: true,
  charset: "utf8",
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
} as const satisfies BuildOptions;

/** A page for browsers, as files by their names: index.html, page.js and page.css. */
export interface BuiltPage {
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** What went into it, for the notices of its packages. */
  readonly metafile: Metafile;
}

/**
 * Makes a page of the folder in which `entry` lies: its script NAME.ts with all that it imports as NAME.js, NAME.css
 * beside it, and index.html as it is. Throws what esbuild throws.
 */
export async function buildPage(entry: string): Promise<BuiltPage> {
  const folder = path.dirname(entry);
  const { outputFiles, metafile } = await build({
    ...FOR_BROWSERS,
    entryPoints: [entry, entry.replace(/\.ts$/, ".css")],
    outdir: "page",
  });
  const files = new Map(outputFiles.map(({ path: file, contents }) => [path.basename(file), contents]));
  files.set("index.html", await readFile(path.join(folder, "index.html")));
  return { files, metafile };
}

/** Writes a page into `outdir`, a new folder; returns what went into it. */
export async function bundlePage({
  entry,
  outdir,
}: {
  readonly entry: string;
  readonly outdir: string;
}): Promise<Metafile> {
  const { files, metafile } = await buildPage(entry);
  await mkdir(outdir, { recursive: true });
  for (const [name, contents] of files) await writeFile(path.join(outdir, name), contents);
  return metafile;
}
