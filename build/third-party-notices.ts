import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { Metafile } from "esbuild";

/** The licences of all packages in a bundle, which their authors ask to be kept with it. `root` is the project's folder. */
export function thirdPartyNotices(root: string, metafile: Metafile): string {
  const bundled = Object.keys(metafile.inputs).flatMap((input) => packageFolder(input) ?? []);
  const notices = [...new Set(bundled)].toSorted().map((folder) => notice(path.join(root, folder)));
  return [...new Set(notices)].join(`\n${"-".repeat(80)}\n\n`);
}

/** node_modules/a/node_modules/@b/c/d.js -> node_modules/a/node_modules/@b/c */
function packageFolder(file: string): string | undefined {
  return /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1];
}

function notice(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8")) as {
    name: string;
    version: string;
    license?: string;
  };
  const files = existsSync(folder)
    ? readdirSync(folder).filter((file) => /^(licen[cs]e|notice|copying)/i.test(file))
    : [];
  const texts = files.map((file) => readFileSync(path.join(folder, file), "utf8").trim());
  return [`${name} ${version} (${license ?? "see below"})`, ...texts].join("\n\n") + "\n";
}
