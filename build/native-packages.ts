import { cp, mkdir, readdir } from "node:fs/promises";
import path from "node:path";

/** A package with native code, which a bundle cannot hold: its scripts are bundled, its libraries lie beside them. */
export interface NativePackage {
  /** As it is imported. */
  readonly name: string;
  /** The script that loads the native code, and the expression that it does so with. */
  readonly loader: { readonly file: RegExp; readonly expression: string };
  /** The file that is loaded, from the bundle's folder. */
  readonly library: `./${string}.node`;
  /** Copies what is loaded on Linux from `root`/node_modules into the bundle's folder. */
  readonly copy: (root: string, output: string, architecture: "x64" | "arm64") => Promise<void>;
}

/** The native packages of the runtime: onnxruntime, for the CPU. */
export const nativePackages: readonly NativePackage[] = [
  {
    name: "onnxruntime-node",
    loader: {
      file: /\/onnxruntime-node\/dist\/binding\.js$/,
      expression: "require(`../bin/napi-v6/${process.platform}/${process.arch}/onnxruntime_binding.node`)",
    },
    library: "./onnxruntime/onnxruntime_binding.node",
    copy: async (root, output, architecture) => {
      const from = path.join(root, "node_modules/onnxruntime-node/bin/napi-v6/linux", architecture);
      const to = path.join(output, "onnxruntime");
      await mkdir(to, { recursive: true });
      // Libraries for GPUs, where somebody has them, are ten times as large.
      for (const file of await readdir(from)) {
        if (file === "onnxruntime_binding.node" || file.startsWith("libonnxruntime.so"))
          await cp(path.join(from, file), path.join(to, file));
      }
    },
  },
];

/** A loader's script as it is to be bundled. Throws if it is not as expected, such as in another version. */
export function withLibraryBeside(source: string, { name, loader, library }: NativePackage): string {
  const [before, after, ...more] = source.split(loader.expression);
  if (before === undefined || after === undefined || more.length > 0)
    throw new Error(`${name}: expected its loader to have ${loader.expression} once`);
  return `${before}require(${JSON.stringify(library)})${after}`;
}
