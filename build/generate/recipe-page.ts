import { replaceSection, table } from "./markdown.ts";

/** A file of pinned packages, in examples/recipes/requirements, and those of them that the page names. */
interface Requirements {
  readonly file: string;
  readonly packages: readonly string[];
  /** When the recipes are run with them. */
  readonly run: string;
}

const REQUIREMENTS: readonly Requirements[] = [
  {
    file: "tables.txt",
    packages: [
      "scikit-learn",
      "skl2onnx",
      "xgboost-cpu",
      "lightgbm",
      "onnxmltools",
      "mlflow-skinny",
      "onnx",
      "onnxruntime",
    ],
    run: "with the other tests",
  },
  { file: "pytorch.txt", packages: ["torch", "onnxscript", "onnx"], run: "on demand" },
  { file: "tensorflow.txt", packages: ["tensorflow-cpu", "keras", "tf2onnx", "onnx"], run: "on demand" },
];

const RECIPE = /<!-- (examples\/recipes\/\w+\.py): start -->/g;

/** The page with the code of each recipe that it names, and with the versions they are run with; `read` gives files. */
export function recipePage(page: string, read: (file: string) => string): string {
  const recipes = [...page.matchAll(RECIPE)].map(([, file = ""]) => file);
  const withCode = recipes.reduce((text, file) => replaceSection(text, file, codeOf(read(file))), page);
  const rows = REQUIREMENTS.map(({ file, packages, run }) => {
    const versions = versionsOf(read(`examples/recipes/requirements/${file}`));
    return [packages.map((name) => `${name} ${versionIn(versions, name, file)}`).join(", "), link(file), run];
  });
  return replaceSection(withCode, "versions", table(["versions", "all packages", "run"], rows));
}

/** Without the line that says how the file is called: the page says it too. */
function codeOf(file: string): string {
  return `\`\`\`python\n${file.replace(/^"""[^]*?"""\n+/, "").trimEnd()}\n\`\`\``;
}

function versionsOf(requirements: string): ReadonlyMap<string, string> {
  const pins = [...requirements.matchAll(/^([\w.-]+)==(\S+)$/gm)];
  return new Map(pins.map(([, name = "", version = ""]) => [name.toLowerCase().replaceAll("_", "-"), version]));
}

function versionIn(versions: ReadonlyMap<string, string>, name: string, file: string): string {
  const version = versions.get(name);
  if (version === undefined) throw new Error(`expected ${name} in ${file}`);
  return version;
}

function link(file: string): string {
  return `[${file}](../../examples/recipes/requirements/${file})`;
}
