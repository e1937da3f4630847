/** Length limits of common file systems, in bytes. */
const MAX_SEGMENT_BYTES = 255;
const MAX_NAME_BYTES = 1_024;
const MAX_SEGMENTS = 8;

/**
 * Why a name from a storage must not become a name on the local disk, or undefined if it may: only plain segments,
 * separated by single slashes, that stay below the folder. The text completes "a file whose name ...".
 */
export function relativeNameProblem(name: string): string | undefined {
  if (name === "") return "is empty";
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u001f\u007f\\]/.test(name)) return "has a backslash or control character";
  if (!name.isWellFormed()) return "is not valid Unicode";
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) return `is longer than ${MAX_NAME_BYTES} bytes`;
  const segments = name.split("/");
  if (segments.length > MAX_SEGMENTS) return `has more than ${MAX_SEGMENTS} segments`;
  for (const segment of segments) {
    if (segment === "" || segment === "." || segment === "..") return "has an empty segment, or '.' or '..'";
    if (Buffer.byteLength(segment) > MAX_SEGMENT_BYTES) return `has a segment longer than ${MAX_SEGMENT_BYTES} bytes`;
  }
  return undefined;
}
