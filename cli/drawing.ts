/** From paper to ink. */
const SHADES = " .:-=+*#%@";
/** As a terminal's letters are about twice as high as wide. */
const LETTERS_PER_PIXEL = 2;

/** Sides of the square images that people make models for. */
const SIDES = [8, 16, 28, 32];

/**
 * Numbers as a picture, if they can be one: as many as the pixels of a small square, none negative. One line of text for
 * each row; undefined if they are something else.
 */
export function drawImage(pixels: readonly unknown[]): readonly string[] | undefined {
  const side = SIDES.find((candidate) => candidate ** 2 === pixels.length);
  if (side === undefined || !pixels.every((pixel) => typeof pixel === "number" && pixel >= 0)) return undefined;
  const values = pixels as readonly number[];
  const darkest = Math.max(...values);
  if (darkest === 0) return undefined;
  return Array.from({ length: side }, (_, row) =>
    values
      .slice(row * side, (row + 1) * side)
      .map((value) => (SHADES[Math.round((value / darkest) * (SHADES.length - 1))] ?? " ").repeat(LETTERS_PER_PIXEL))
      .join("")
      .trimEnd(),
  );
}
