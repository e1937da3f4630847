import { describe, expect, test } from "vitest";
import { recipePage } from "../../../build/generate/recipe-page.ts";

const PAGE = `# Bring it
<!-- examples/recipes/from_a.py: start -->
old
<!-- examples/recipes/from_a.py: end -->
<!-- versions: start -->
<!-- versions: end -->
`;
const PINS = `# of tests
scikit-learn==1.2
skl2onnx==1.2
xgboost-cpu==1.2
lightgbm==1.2
onnxmltools==1.2
mlflow-skinny==1.2
onnx==1.2
onnxruntime==1.2
torch==1.2
onnxscript==1.2
tensorflow_cpu==1.2
keras==1.2
tf2onnx==1.2
`;
const FILES: Readonly<Record<string, string>> = {
  "examples/recipes/from_a.py": '"""python from_a.py OUT_DIR"""\n\nimport a\n\nprint("a")\n',
};
const read = (file: string): string => FILES[file] ?? PINS;

describe("the page of recipes", () => {
  test("has the code of each file that it names, without the line that says how it is called", () => {
    const page = recipePage(PAGE, read);
    expect(page).toContain('start -->\n\n```python\nimport a\n\nprint("a")\n```\n\n<!--');
    expect(page).not.toContain("old");
  });

  test("has the versions of the packages", () => {
    expect(recipePage(PAGE, read)).toContain(
      "| torch 1.2, onnxscript 1.2, onnx 1.2 | [pytorch.txt](../../examples/recipes/requirements/pytorch.txt) | on demand |",
    );
    // pip writes this name with an underscore.
    expect(recipePage(PAGE, read)).toContain("| tensorflow-cpu 1.2,");
  });

  test("cannot be made when a package that it names is not pinned", () => {
    const without = (file: string): string => read(file).replace("keras==1.2", "");
    expect(() => recipePage(PAGE, without)).toThrow("expected keras in tensorflow.txt");
  });
});
