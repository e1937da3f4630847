import { StringDecoder } from "node:string_decoder";

/** Far more than an object can have, which etcd limits to about 1.5 MiB. */
const MAX_LINE_LENGTH = 16 * 2 ** 20;

/** The lines of a stream of bytes, without empty ones; the last needs no line end. Throws where a line is endless. */
export async function* readLines(
  chunks: AsyncIterable<Uint8Array>,
  maxLength: number = MAX_LINE_LENGTH,
): AsyncGenerator<string, void, undefined> {
  const decoder = new StringDecoder("utf8");
  // Pieces of a line that has not ended yet: joined once, because a large object comes in many chunks.
  let pieces: string[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    const parts = decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)).split("\n");
    for (const [index, part] of parts.entries()) {
      if (index > 0) {
        const line = pieces.join("");
        pieces = [];
        length = 0;
        if (line !== "") yield line;
      }
      pieces.push(part);
      length += part.length;
      if (length > maxLength) throw new RangeError(`expected lines of at most ${maxLength} characters`);
    }
  }
  const last = pieces.join("") + decoder.end();
  if (last !== "") yield last;
}
