/**
 * As much of HPACK (RFC 7541) as a load of always the same call needs: the block of its first request on a connection,
 * which puts its fields into the server's table; that of the next ones, which refers to them; and the status of a gRPC
 * call in the trailers of a server that was told to use no table.
 */

/** Static table: `:method: POST` and `:scheme: http`. */
const POST_AND_HTTP = [0x83, 0x86];
const STATIC_AUTHORITY = 1;
const STATIC_PATH = 4;
const STATIC_CONTENT_TYPE = 31;
const FIRST_DYNAMIC = 62;

/** The header block of a gRPC call; fields are added to the server's table, so it may be sent once per connection. */
export function firstRequestBlock(path: string, authority: string): Buffer {
  return Buffer.concat([
    Buffer.from(POST_AND_HTTP),
    indexedName(STATIC_PATH, path),
    indexedName(STATIC_AUTHORITY, authority),
    indexedName(STATIC_CONTENT_TYPE, "application/grpc"),
    Buffer.concat([Buffer.from([0x40]), text("te"), text("trailers")]),
  ]);
}

/** The block of every later call on the same connection: references to the four fields, the newest of which is first. */
export function laterRequestBlock(): Buffer {
  return Buffer.from([...POST_AND_HTTP, ...[3, 2, 1, 0].map((age) => 0x80 | (FIRST_DYNAMIC + age))]);
}

/** "grpc-status" as it is, and in Huffman's code. */
const STATUS_NAMES = [
  Buffer.concat([Buffer.from([11]), Buffer.from("grpc-status")]),
  Buffer.from([0x88, 0x9a, 0xca, 0xc8, 0xb2, 0x12, 0x34, 0xda, 0x8f]),
];
/** Huffman's codes of the digits, as texts of bits. */
const DIGITS = ["00000", "00001", "00010", "011001", "011010", "011011", "011100", "011101", "011110", "011111"];

/** The gRPC status that a block of trailers tells; undefined if it tells none, or refers to a table. */
export function grpcStatusOf(block: Buffer): number | undefined {
  for (const name of STATUS_NAMES) {
    const at = block.indexOf(name);
    if (at === -1) continue;
    const length = block[at + name.length] ?? 0;
    const value = block.subarray(at + name.length + 1, at + name.length + 1 + (length & 0x7f));
    const digits = (length & 0x80) === 0 ? value.toString("latin1") : digitsOf(value);
    return /^[0-9]{1,2}$/.test(digits) ? Number(digits) : undefined;
  }
  return undefined;
}

/** Digits in Huffman's code; what is left over are ones. */
function digitsOf(value: Buffer): string {
  let bits = [...value].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  let digits = "";
  while (bits.length >= 5) {
    const digit = DIGITS.findIndex((code) => bits.startsWith(code));
    const code = DIGITS[digit];
    if (code === undefined) break;
    digits += String(digit);
    bits = bits.slice(code.length);
  }
  return digits;
}

/** A field whose name is in the static table; it is added to the dynamic one. */
function indexedName(index: number, value: string): Buffer {
  return Buffer.concat([Buffer.from([0x40 | index]), text(value)]);
}

/** Not in Huffman's code; at most 126 bytes. */
function text(value: string): Buffer {
  if (value.length > 126) throw new Error(`expected at most 126 characters, got ${value.length}`);
  return Buffer.concat([Buffer.from([value.length]), Buffer.from(value, "latin1")]);
}
