/**
 * `npm run bundle`: makes dist/operator and dist/runtime, all that their images have beside Node.js. Source maps go to
 * dist/source-maps, which no image takes. `--arch arm64` makes them for the other architecture.
 */
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { build, type BuildOptions, type Metafile, type Plugin } from "esbuild";
import { bundlePage } from "./bundle-page.ts";
import { buildConsolePage } from "./console-page.ts";
import { nativePackages, withLibraryBeside, type NativePackage } from "./native-packages.ts";
import { thirdPartyNotices } from "./third-party-notices.ts";

const ROOT = path.resolve(import.meta.dirname, "..");
const DIST = path.join(ROOT, "dist");

/** What the images run: their entries, the packages with native libraries, and pages for browsers by their folders. */
const TARGETS = {
  operator: { entries: { operator: "operator/main.ts" }, native: [], pages: {} },
  runtime: {
    entries: {
      runtime: "runtime/main.ts",
      "onnx-worker": "runtime/engine/onnx-worker.ts",
      "parquet-worker": "runtime/monitoring/payload/parquet-worker.ts",
    },
    native: nativePackages,
    pages: { ui: "runtime/ui/page/page.ts" },
  },
} as const;

/** CommonJS packages call require, which modules do not have. */
const BANNER = `import { createRequire as lockstepCreateRequire } from "node:module"; const require = lockstepCreateRequire(import.meta.url);`;

/** Also behind code: in strings, esbuild leaves nothing beyond ASCII that two slashes could stand before. */
const COMMENT = /^[ \t]*\/?\*.*$|\/\/.*$/gm;
// Of a UTF-16 unit, so that columns stay where source maps expect them.
const BEYOND_ASCII = /[^\0-\x7f]/g;
const BEYOND_LATIN_1 = /^.*[^\0-\xff].*$/m;

/** A worker's file is named in the source as new URL("./x.ts", import.meta.url); beside the bundle it is x.mjs. */
const workerFiles: Plugin = {
  name: "worker files",
  setup(builder) {
    builder.onLoad({ filter: /\/(runtime|operator)\/.*\.ts$/ }, async ({ path: file }) => {
      const source = await readFile(file, "utf8");
      const contents = source.replaceAll(
        /new URL\("\.\/([\w-]+)\.ts", import\.meta\.url\)/g,
        'new URL("./$1.mjs", import.meta.url)',
      );
      return { contents, loader: "ts" };
    });
  },
};

/**
 * To import node:http as a module runs all of its getters, one of which loads the whole HTTP client that is behind fetch:
 * 40 ms and some megabytes, for nothing. To require it does not.
 */
const requiredHttp: Plugin = {
  name: "required http",
  setup(builder) {
    builder.onResolve({ filter: /^(node:)?http$/ }, ({ kind }) =>
      kind === "import-statement" ? { path: "node:http", namespace: "required" } : undefined,
    );
    builder.onLoad({ filter: /.*/, namespace: "required" }, ({ path: name }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(name)});`,
      loader: "js",
    }));
  },
};

/** The scripts of native packages are bundled, too: dozens of files take each thread a while to find. */
function nativeLibraries(packages: readonly NativePackage[]): Plugin {
  return {
    name: "native libraries",
    setup(builder) {
      builder.onResolve({ filter: /\.node$/ }, ({ path: file }) => ({ path: file, external: true }));
      for (const item of packages)
        builder.onLoad({ filter: item.loader.file }, async ({ path: file }) => ({
          contents: withLibraryBeside(await readFile(file, "utf8"), item),
          loader: "js",
        }));
    },
  };
}

const { values } = parseArgs({ options: { arch: { type: "string", default: process.arch } } });
const architecture = nodeArchitecture(values.arch);
for (const [name, target] of Object.entries(TARGETS)) {
  const startMs = performance.now();
  const output = path.join(DIST, name);
  await rm(output, { recursive: true, force: true });
  const { metafile } = await build(options(target.entries, output, target.native));
  expectNames(metafile);
  for (const item of target.native) await item.copy(ROOT, output, architecture);
  const inputs = { ...metafile.inputs };
  for (const [folder, entry] of Object.entries(target.pages))
    Object.assign(inputs, (await bundlePage({ entry, outdir: path.join(output, folder) })).inputs);
  if (name === "operator") {
    const page = await buildConsolePage();
    for (const [file, content] of Object.entries(page.files)) await writeFile(path.join(output, file), content);
    Object.assign(inputs, page.metafile.inputs);
  }
  await writeFile(path.join(output, "THIRD-PARTY-NOTICES.txt"), thirdPartyNotices(ROOT, { ...metafile, inputs }));
  await keepToAscii(output);
  await moveSourceMaps(output, path.join(DIST, "source-maps", name));
  console.log(
    `dist/${name}  ${sizes(metafile, Object.keys(target.entries))}  (${Math.round(performance.now() - startMs)} ms)`,
  );
}

function options(
  entries: Readonly<Record<string, string>>,
  output: string,
  native: readonly NativePackage[],
): BuildOptions & { metafile: true } {
  return {
    absWorkingDir: ROOT,
    entryPoints: { ...entries },
    outdir: output,
    outExtension: { ".js": ".mjs" },
    chunkNames: "[name]-[hash]",
    bundle: true,
    // What is imported where it is first needed, such as the S3 client, stays a file of its own.
    splitting: true,
    platform: "node",
    // As modules where a package has both: unused parts fall away, and a lazy import finds the names it expects.
    mainFields: ["module", "main"],
    format: "esm",
    target: "node26",
    // Names and lines stay as they are, for stack traces; compressed, the images hardly grow by it.
    minifySyntax: true,
    legalComments: "none",
    sourcemap: "external",
    metafile: true,
    banner: { js: BANNER },
    logLevel: "warning",
    plugins: [workerFiles, requiredHttp, nativeLibraries(native)],
  };
}

/** Node's name of an architecture, from its own or a container image's. */
function nodeArchitecture(name: string): "x64" | "arm64" {
  if (name === "x64" || name === "amd64") return "x64";
  if (name === "arm64") return "arm64";
  throw new Error(`--arch: expected x64 or arm64, got ${name}`);
}

/**
 * Throws if a package in CommonJS is imported lazily: its names would be there when the sources run, but not in the
 * bundle. A module of our own that imports it, and is itself imported lazily, has them.
 */
function expectNames({ outputs }: Metafile): void {
  for (const { entryPoint, exports } of Object.values(outputs)) {
    const isPackage = entryPoint?.includes("node_modules/") === true;
    if (isPackage && exports.length === 1 && exports[0] === "default")
      throw new Error(`${entryPoint}: expected to be imported by a module of ours, got a lazy import of CommonJS`);
  }
}

/**
 * V8 holds a script in twice the memory, and reads it more slowly, if a single character of it is beyond Latin-1. esbuild
 * escapes them but in comments, where they may as well be others, and in regular expressions. Throws if one is left.
 */
async function keepToAscii(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.endsWith(".mjs")) continue;
    const file = path.join(folder, name);
    const script = await readFile(file, "utf8");
    const plain = script.replaceAll(COMMENT, (comment) => comment.replaceAll(BEYOND_ASCII, "?"));
    const [line] = BEYOND_LATIN_1.exec(plain) ?? [];
    if (line !== undefined) throw new Error(`${file}: expected characters of Latin-1 alone, got ${line.slice(0, 200)}`);
    if (plain !== script) await writeFile(file, plain);
  }
}

async function moveSourceMaps(from: string, to: string): Promise<void> {
  await rm(to, { recursive: true, force: true });
  await mkdir(to, { recursive: true });
  for (const file of await readdir(from)) {
    if (file.endsWith(".map")) await rename(path.join(from, file), path.join(to, file));
  }
}

function sizes(metafile: Metafile, entries: readonly string[]): string {
  const files = Object.entries(metafile.outputs).filter(([file]) => !file.endsWith(".map"));
  const kib = (bytes: number) => `${Math.round(bytes / 1024)} KiB`;
  const own = files.filter(([file]) => entries.includes(path.basename(file, ".mjs")));
  const lazyBytes = files.filter((file) => !own.includes(file)).reduce((sum, [, { bytes }]) => sum + bytes, 0);
  const listed = own.map(([file, { bytes }]) => `${path.basename(file)} ${kib(bytes)}`);
  return [...listed, ...(lazyBytes > 0 ? [`loaded when needed ${kib(lazyBytes)}`] : [])].join(", ");
}
