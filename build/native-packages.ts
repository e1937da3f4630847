import { cp, mkdir, readdir } from "node:fs/promises";
import path from "node:path";

/** A package with native code, which a bundle cannot hold: it lies beside the bundle in node_modules. */
export interface NativePackage {
  /** As it is imported. */
  readonly name: string;
  /** All packages that `copy` takes. */
  readonly packages: readonly string[];
  /** Copies what runs on Linux from `root`/node_modules into another node_modules. */
  readonly copy: (root: string, nodeModules: string, architecture: "x64" | "arm64") => Promise<void>;
}

/** The native packages of the runtime: onnxruntime, for the CPU. */
export const nativePackages: readonly NativePackage[] = [
  {
    name: "onnxruntime-node",
    packages: ["onnxruntime-node", "onnxruntime-common"],
    copy: async (root, nodeModules, architecture) => {
      const from = path.join(root, "node_modules/onnxruntime-node");
      const to = path.join(nodeModules, "onnxruntime-node");
      const binaries = `bin/napi-v6/linux/${architecture}`;
      await copyScripts(path.join(from, "dist"), path.join(to, "dist"));
      await cp(path.join(from, "package.json"), path.join(to, "package.json"));
      await mkdir(path.join(to, binaries), { recursive: true });
      // Libraries for GPUs, where somebody has them, are ten times as large.
      for (const file of await readdir(path.join(from, binaries))) {
        if (file === "onnxruntime_binding.node" || file.startsWith("libonnxruntime.so"))
          await cp(path.join(from, binaries, file), path.join(to, binaries, file));
      }
      const common = path.join(root, "node_modules/onnxruntime-common");
      await copyScripts(path.join(common, "dist/cjs"), path.join(nodeModules, "onnxruntime-common/dist/cjs"));
      await cp(path.join(common, "package.json"), path.join(nodeModules, "onnxruntime-common/package.json"));
    },
  },
];

/** Without declarations and source maps; with package.json, which tells the kind of the scripts beside it. */
async function copyScripts(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const file of await readdir(from)) {
    if (file.endsWith(".js") || file === "package.json") await cp(path.join(from, file), path.join(to, file));
  }
}
