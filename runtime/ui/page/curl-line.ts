/** Longer requests are sent from a file: a shell takes no line of any length. */
export const LONGEST_INLINE = 4_000;

/** The command that sends the same request. */
export function curlLine(url: string, body: string): string {
  const data = body.length > LONGEST_INLINE ? "@request.json" : body;
  return `curl -s ${quoted(url)} -H 'content-type: application/json' -d ${quoted(data)}`;
}

/** A word of a shell's command, whatever is in it. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
