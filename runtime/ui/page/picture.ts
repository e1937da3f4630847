/** How an input's elements lie in a picture. */
export interface PictureLayout {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  /** Whether the channels of a pixel lie side by side. */
  readonly isChannelsLast: boolean;
}

const SMALLEST = 6;
const LARGEST = 1_024;

/** The layout of one picture, if an input of this type and shape may be one: the first dimension is the batch. */
export function pictureLayout(datatype: string, shape: readonly number[]): PictureLayout | undefined {
  if (!/^(FP|BF|UINT8)/.test(datatype) || shape[0] === undefined || shape[0] > 1) return undefined;
  const [a = 0, b = 0, c = 0] = shape.slice(1);
  const layout = (width: number, height: number, channels: number, isChannelsLast: boolean) =>
    (channels === 1 || channels === 3) && isSide(width) && isSide(height)
      ? ({ width, height, channels, isChannelsLast } as const)
      : undefined;
  switch (shape.length) {
    case 2:
      return layout(Math.sqrt(a), Math.sqrt(a), 1, false);
    case 3:
      return layout(b, a, 1, false);
    case 4:
      return layout(c, b, a, false) ?? layout(b, a, c, true);
    default:
      return undefined;
  }
}

function isSide(length: number): boolean {
  return Number.isInteger(length) && length >= SMALLEST && length <= LARGEST;
}

/** Where an element lies. */
export function elementIndex(layout: PictureLayout, x: number, y: number, channel: number): number {
  const { width, height, channels, isChannelsLast } = layout;
  return isChannelsLast ? (y * width + x) * channels + channel : channel * width * height + y * width + x;
}

/** Pixels as bytes of red, green, blue and alpha; the value `white` shines, 0 is black. */
export function pixelsOf(
  layout: PictureLayout,
  data: readonly number[],
  white: number,
): Uint8ClampedArray<ArrayBuffer> {
  const { width, height, channels } = layout;
  const pixels = new Uint8ClampedArray(width * height * 4);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * 4;
      for (let color = 0; color < 3; color++) {
        const value = data[elementIndex(layout, x, y, channels === 1 ? 0 : color)] ?? 0;
        pixels[at + color] = (value / white) * 255;
      }
      pixels[at + 3] = 255;
    }
  return pixels;
}

/** The elements of a picture. `isWhole` is for types of whole numbers. */
export function dataOf(
  layout: PictureLayout,
  pixels: Uint8ClampedArray,
  { white, isWhole }: { readonly white: number; readonly isWhole: boolean },
): number[] {
  const { width, height, channels } = layout;
  const data = Array.from({ length: width * height * channels }, () => 0);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const [red = 0, green = 0, blue = 0] = pixels.subarray((y * width + x) * 4);
      const gray = 0.299 * red + 0.587 * green + 0.114 * blue;
      for (let channel = 0; channel < channels; channel++) {
        const level = channels === 1 ? gray : ([red, green, blue][channel] ?? 0);
        data[elementIndex(layout, x, y, channel)] = rounded((level / 255) * white, isWhole);
      }
    }
  return data;
}

/** The elements after a pen of soft edges has touched the picture at a point, in pixels. */
export function penned(
  layout: PictureLayout,
  data: readonly number[],
  point: { readonly x: number; readonly y: number },
  { white, isWhole }: { readonly white: number; readonly isWhole: boolean },
): number[] {
  const { width, height, channels } = layout;
  const radius = Math.max(0.6, width / 20);
  const next = data.slice();
  const reach = Math.ceil(radius + 1);
  for (let y = Math.max(0, Math.floor(point.y) - reach); y < Math.min(height, point.y + reach); y++)
    for (let x = Math.max(0, Math.floor(point.x) - reach); x < Math.min(width, point.x + reach); x++) {
      const distance = Math.hypot(x + 0.5 - point.x, y + 0.5 - point.y);
      const ink = Math.min(1, Math.max(0, radius + 0.5 - distance)) * white;
      for (let channel = 0; channel < channels; channel++) {
        const at = elementIndex(layout, x, y, channel);
        next[at] = Math.max(next[at] ?? 0, rounded(ink, isWhole));
      }
    }
  return next;
}

function rounded(value: number, isWhole: boolean): number {
  return isWhole ? Math.round(value) : Math.round(value * 1_000) / 1_000;
}
