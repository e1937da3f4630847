/** Columns of equal width, a line for each row. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

/** A tensor's shape, as [-1,64]. */
export function shapeText(shape: readonly number[]): string {
  return `[${shape.join(",")}]`;
}

/** A text of a file or storage without what could confuse a terminal, cut after so many characters. */
export function printable(text: string, maxLength = 200): string {
  const clean = text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+/gu, " ");
  return clean.length > maxLength ? `${clean.slice(0, maxLength - 1)}…` : clean;
}
