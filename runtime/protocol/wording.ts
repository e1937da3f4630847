/** Names in messages are cut here: they may come from a client. */
const LONGEST_NAME = 64;
const MOST_NAMES = 16;

/** A name in quotes, for a message. */
export function quoteName(name: string): string {
  return JSON.stringify(name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME)}…` : name);
}

/** Names in quotes with commas between them, or `none`. */
export function quoteNames(names: readonly string[]): string {
  if (names.length === 0) return "none";
  const shown = names.slice(0, MOST_NAMES).map(quoteName).join(", ");
  return names.length > MOST_NAMES ? `${shown} and ${names.length - MOST_NAMES} more` : shown;
}

/** A shape as it is written in JSON. */
export function describeShape(shape: readonly number[]): string {
  return `[${shape.join(",")}]`;
}
