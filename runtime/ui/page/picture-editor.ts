import { h, type JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { dataOf, penned, pixelsOf, type PictureLayout } from "./picture.ts";

/** About as wide as the picture is shown, in CSS pixels. */
const SHOWN_WIDTH = 192;
/** Values that shine in pictures of 8 x 8 of scikit-learn, of shares, and of bytes. */
const WHITES = [1, 16, 255] as const;

/** Shows an input as a picture, to draw on or to be taken from a file. Its numbers can be edited as text, too. */
export function PictureEditor({
  layout,
  name,
  isWhole,
  data,
  onChange,
}: {
  readonly layout: PictureLayout;
  readonly name: string;
  readonly isWhole: boolean;
  readonly data: readonly number[];
  readonly onChange: (data: readonly number[]) => void;
}): JSX.Element {
  const { width, height, channels } = layout;
  const [white, setWhite] = useState(isWhole ? 255 : width === 8 && height === 8 ? 16 : 1);
  const [trouble, setTrouble] = useState("");
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    canvas.current?.getContext("2d")?.putImageData(new ImageData(pixelsOf(layout, data, white), width, height), 0, 0);
  }, [layout, data, white]);
  const whole = { white, isWhole };
  const complete = (): readonly number[] =>
    Array.from({ length: width * height * channels }, (_, index) => data[index] ?? 0);
  const draw = (event: PointerEvent): void => {
    if ((event.buttons & 1) === 0) return;
    const area = (event.currentTarget as HTMLCanvasElement).getBoundingClientRect();
    const point = {
      x: ((event.clientX - area.left) / area.width) * width,
      y: ((event.clientY - area.top) / area.height) * height,
    };
    onChange(penned(layout, complete(), point, whole));
  };
  const take = async (file: File | undefined): Promise<void> => {
    if (file === undefined) return;
    try {
      onChange(dataOf(layout, await pixelsIn(file, width, height), whole));
      setTrouble("");
    } catch {
      setTrouble(`${file.name} is not a picture that this browser can read`);
    }
  };
  return h(
    "div",
    { class: "picture" },
    h("canvas", {
      ref: canvas,
      width,
      height,
      role: "img",
      "aria-label": `${name} as a picture, to draw on`,
      style: { width: `${SHOWN_WIDTH}px`, height: `${(SHOWN_WIDTH * height) / width}px` },
      onPointerDown: (event: PointerEvent) => {
        (event.currentTarget as HTMLCanvasElement).setPointerCapture(event.pointerId);
        draw(event);
      },
      onPointerMove: draw,
    }),
    h(
      "div",
      { class: "tools" },
      h("p", { class: "hint" }, `Draw on it: ${width} × ${height}`),
      h("button", { type: "button", onClick: () => onChange(complete().map(() => 0)) }, "Clear"),
      h(
        "label",
        {},
        "White is ",
        h(
          "select",
          {
            value: String(white),
            onChange: (event: Event) => setWhite(Number((event.currentTarget as HTMLSelectElement).value)),
          },
          WHITES.map((value) => h("option", { key: value, value: String(value) }, String(value))),
        ),
      ),
      h(
        "label",
        { class: "file" },
        "Picture from a file",
        h("input", {
          type: "file",
          accept: "image/*",
          onChange: (event: Event) => void take((event.currentTarget as HTMLInputElement).files?.[0]),
        }),
      ),
      trouble === "" ? null : h("p", { class: "problem", role: "alert" }, trouble),
    ),
  );
}

/** The picture in a file, of this size. Rejects if it is none. */
async function pixelsIn(file: File, width: number, height: number): Promise<Uint8ClampedArray> {
  const bitmap = await createImageBitmap(file, { resizeWidth: width, resizeHeight: height, resizeQuality: "high" });
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  if (context === null) throw new Error("no canvas");
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return context.getImageData(0, 0, width, height).data;
}
