import packageJson from "../package.json" with { type: "json" };

/** The releases that this program is made of. */
export const BUILD_INFO = {
  version: packageJson.version,
  node: process.versions.node,
  // Pinned exactly in package.json.
  onnxruntime: packageJson.dependencies["onnxruntime-node"],
} as const;
