import { readFile } from "node:fs/promises";
import path from "node:path";
import { build, type Metafile } from "esbuild";
import { FOR_BROWSERS } from "./bundle-page.ts";

const ROOT = path.resolve(import.meta.dirname, "..");
const PAGE = path.join(ROOT, "operator/console/page");

/** The files of the operator's web console, by the names that operator/console/page-files.ts reads. */
export async function buildConsolePage(): Promise<{
  readonly files: Readonly<Record<string, string | Uint8Array>>;
  readonly metafile: Metafile;
}> {
  const { outputFiles, metafile } = await build({
    ...FOR_BROWSERS,
    entryPoints: [path.join(PAGE, "main.ts")],
    charset: "ascii",
  });
  const files: Record<string, string | Uint8Array> = { "console.js": outputFiles[0]?.text ?? "" };
  for (const name of ["console.html", "console.css", "console.svg"])
    files[name] = await readFile(path.join(PAGE, name));
  return { files, metafile };
}
