import { h, type JSX } from "preact";
import { useId } from "preact/hooks";
import { shapeText } from "./model-facts.ts";
import { pictureLayout } from "./picture.ts";
import { PictureEditor } from "./picture-editor.ts";
import {
  dataText,
  elementsOf,
  filled,
  MOST_SHOWN_ELEMENTS,
  parseData,
  parseShape,
  type InputDraft,
} from "./request-draft.ts";

/** Edits one input: its shape, its elements as JSON, or as a picture. */
export function InputEditor({
  draft,
  problem,
  onChange,
}: {
  readonly draft: InputDraft;
  readonly problem: string | undefined;
  readonly onChange: (draft: InputDraft) => void;
}): JSX.Element {
  const id = useId();
  const { name, datatype, shape: specShape } = draft.spec;
  const shape = parseShape(draft.shapeText);
  const layout = typeof shape === "string" ? undefined : pictureLayout(datatype, shape);
  const isShown = typeof shape === "string" || elementsOf(shape) <= MOST_SHOWN_ELEMENTS;
  const plain = datatype === "BYTES" ? "Default" : "Zeros";
  const fill = (filling: "zeros" | "random"): void => onChange(filled(draft, filling, Math.random));
  return h(
    "fieldset",
    { class: "input" },
    h("legend", {}, h("code", {}, name), h("span", { class: "hint" }, ` ${datatype}, ${shapeText(specShape)}`)),
    h(
      "div",
      { class: "row" },
      h("label", { for: `${id}-shape` }, "Shape"),
      h("input", {
        id: `${id}-shape`,
        class: "shape",
        value: draft.shapeText,
        spellcheck: false,
        "aria-label": `Shape of ${name}`,
        onInput: (event: Event) => onChange({ ...draft, shapeText: (event.currentTarget as HTMLInputElement).value }),
      }),
      h("span", { class: "grow" }),
      h("button", { type: "button", onClick: () => fill("zeros"), "aria-label": `${plain} for ${name}` }, plain),
      h("button", { type: "button", onClick: () => fill("random"), "aria-label": `Random for ${name}` }, "Random"),
    ),
    layout === undefined
      ? null
      : h(PictureEditor, {
          layout,
          name,
          isWhole: datatype === "UINT8",
          data: numbersOf(draft.dataText),
          onChange: (data: readonly number[]) =>
            onChange({
              ...draft,
              dataText: dataText(data, [layout.width * (layout.isChannelsLast ? layout.channels : 1), 0].reverse()),
            }),
        }),
    isShown
      ? h("textarea", {
          rows: Math.min(10, Math.max(2, draft.dataText.split("\n").length)),
          spellcheck: false,
          value: draft.dataText,
          "aria-label": `Data of ${name}`,
          "aria-invalid": problem === undefined ? undefined : "true",
          "aria-describedby": problem === undefined ? undefined : `${id}-problem`,
          onInput: (event: Event) =>
            onChange({ ...draft, dataText: (event.currentTarget as HTMLTextAreaElement).value }),
        })
      : h("p", { class: "hint" }, "Too many elements to be shown as text."),
    problem === undefined ? null : h("p", { class: "problem", id: `${id}-problem`, role: "alert" }, problem),
  );
}

function numbersOf(text: string): readonly number[] {
  const data = parseData(text);
  return typeof data === "string" ? [] : data.map((element) => Number(element) || 0);
}
