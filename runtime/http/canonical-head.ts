/** Longer heads, and those with more lines, are left to node's parser. */
const MAX_HEAD_BYTES = 8 * 1024;
const MAX_LINES = 64;
/** Lengths that are exact as numbers. */
const MAX_LENGTH_DIGITS = 15;
/** Spellings of header names that are remembered with their lower case. */
const MAX_KNOWN_NAMES = 256;
const MAX_KNOWN_NAME_LENGTH = 64;

const SPACE = 0x20;
const COLON = 0x3a;
const CR = 0x0d;
const LF = 0x0a;

/** Bit sets by byte: what a header's name, its value, and a target may consist of. */
const IS_NAME = 1;
const IS_VALUE = 2;
const IS_TARGET = 4;
const CLASSES = classesOf();

/** The head of a request that can be read in one way only. */
export interface CanonicalHead {
  readonly method: "GET" | "POST";
  /** In origin form. */
  readonly target: string;
  /** Of the head, with the empty line behind it. */
  readonly sizeBytes: number;
  /** Length of the body; 0 for GET. */
  readonly contentLength: number;
  /** Whether the client may use the connection again. */
  readonly isKeepAlive: boolean;
  /** By lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
}

/**
 * Headers that change how a message is framed or a connection is used, or that node's parser knows as such. A head that
 * has one is not for us.
 */
const FOREIGN: ReadonlySet<string> = new Set([
  "transfer-encoding",
  "expect",
  "upgrade",
  "http2-settings",
  "proxy-connection",
  "trailer",
]);

/**
 * Reads the head at the start of `bytes` if all of it is there and it is of the plainest form: `GET` or `POST`, a target
 * in origin form, HTTP/1.1, lines ended by CR LF, names of token characters directly before their colon, values of
 * printable ASCII without space around them but one before, no name twice, one Host, for POST one Content-Length of
 * digits, nothing that frames the message in another way. Undefined for everything else, which is node's parser's to
 * judge: it takes what is taken here, and in the same sense.
 */
export function readCanonicalHead(bytes: Buffer): CanonicalHead | undefined {
  const method = methodOf(bytes);
  if (method === undefined) return undefined;
  const limit = Math.min(bytes.length, MAX_HEAD_BYTES);
  const text = bytes.toString("latin1", 0, limit);
  const targetStart = method.length + 1;
  const targetEnd = runEnd(bytes, targetStart, limit, IS_TARGET);
  if (bytes[targetStart] !== 0x2f || !text.startsWith(" HTTP/1.1\r\n", targetEnd)) return undefined;
  const headers = new Map<string, string>();
  let at = targetEnd + 11;
  for (let lines = 0; lines <= MAX_LINES; lines++) {
    if (at + 1 >= limit) return undefined;
    if (bytes[at] === CR) {
      if (bytes[at + 1] !== LF) return undefined;
      return headOf(method, text.slice(targetStart, targetEnd), headers, at + 2);
    }
    const nameEnd = runEnd(bytes, at, limit, IS_NAME);
    if (nameEnd === at || bytes[nameEnd] !== COLON) return undefined;
    const valueStart = bytes[nameEnd + 1] === SPACE ? nameEnd + 2 : nameEnd + 1;
    const valueEnd = runEnd(bytes, valueStart, limit, IS_VALUE);
    if (bytes[valueEnd] !== CR || bytes[valueEnd + 1] !== LF || valueEnd + 1 >= limit) return undefined;
    const isPadded = valueEnd > valueStart && (bytes[valueStart] === SPACE || bytes[valueEnd - 1] === SPACE);
    const name = lowerCase(text.slice(at, nameEnd));
    if (isPadded || headers.has(name) || FOREIGN.has(name)) return undefined;
    headers.set(name, text.slice(valueStart, valueEnd));
    at = valueEnd + 2;
  }
  return undefined;
}

function headOf(
  method: CanonicalHead["method"],
  target: string,
  headers: ReadonlyMap<string, string>,
  sizeBytes: number,
): CanonicalHead | undefined {
  if (!headers.has("host")) return undefined;
  const isKeepAlive = keepAliveOf(headers.get("connection"));
  const contentLength = lengthOf(method, headers.get("content-length"));
  if (isKeepAlive === undefined || contentLength === undefined) return undefined;
  return { method, target, sizeBytes, contentLength, isKeepAlive, headers };
}

function methodOf(bytes: Buffer): CanonicalHead["method"] | undefined {
  // "POST" and "GET ", each as one number.
  if (bytes.length < 5) return undefined;
  const word = bytes.readUInt32BE(0);
  if (word === 0x504f5354 && bytes[4] === SPACE) return "POST";
  return word === 0x47455420 ? "GET" : undefined;
}

function keepAliveOf(connection: string | undefined): boolean | undefined {
  if (connection === undefined) return true;
  const word = connection.toLowerCase();
  if (word === "keep-alive") return true;
  return word === "close" ? false : undefined;
}

function lengthOf(method: CanonicalHead["method"], value: string | undefined): number | undefined {
  if (value === undefined) return method === "GET" ? 0 : undefined;
  // A body of GET means nothing, and would have to be passed over.
  if (method === "GET" || value.length === 0 || value.length > MAX_LENGTH_DIGITS) return undefined;
  return /^[0-9]+$/.test(value) ? Number(value) : undefined;
}

/** Where the run of bytes of a class ends. */
function runEnd(bytes: Buffer, start: number, limit: number, wanted: number): number {
  let at = start;
  while (at < limit && ((CLASSES[bytes[at] as number] as number) & wanted) !== 0) at++;
  return at;
}

const knownNames = new Map<string, string>();

function lowerCase(name: string): string {
  const known = knownNames.get(name);
  if (known !== undefined) return known;
  const lower = name.toLowerCase();
  if (knownNames.size < MAX_KNOWN_NAMES && name.length <= MAX_KNOWN_NAME_LENGTH) knownNames.set(name, lower);
  return lower;
}

function classesOf(): Uint8Array {
  const classes = new Uint8Array(256);
  const add = (characters: string, value: number): void => {
    for (const character of characters) {
      const code = character.charCodeAt(0);
      classes[code] = (classes[code] ?? 0) | value;
    }
  };
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  add(`${letters}!#$%&'*+-.^_\`|~`, IS_NAME);
  add(`${letters}-._~%!$&'()*+,;=:@/?`, IS_TARGET);
  for (let code = 0x20; code <= 0x7e; code++) add(String.fromCharCode(code), IS_VALUE);
  return classes;
}
