/** The longest beginning of a text that has at most so many bytes in UTF-8, with an ellipsis where something was cut. */
export function cutToBytes(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= maxBytes) return text;
  const ellipsis = "…";
  let end = maxBytes - Buffer.byteLength(ellipsis);
  // Not within a character: its further bytes begin with the bits 10.
  while (end > 0 && ((bytes[end] ?? 0) & 0b1100_0000) === 0b1000_0000) end -= 1;
  return bytes.toString("utf8", 0, end) + ellipsis;
}
