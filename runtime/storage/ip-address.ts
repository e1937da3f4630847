import { isIPv6 } from "node:net";

/**
 * The IPv4 addresses to which an IPv6 address may really lead: IPv4-mapped (::ffff:0:0/96) and -compatible (::/96),
 * translated (64:ff9b::/96, 64:ff9b:1::/48, ::ffff:0:0:0/96), 6to4 (2002::/16). Empty for any other address.
 */
export function embeddedIpv4Addresses(address: string): readonly string[] {
  const words = ipv6Words(address);
  if (words === undefined) return [];
  const [w0, w1, w2, w3, w4, w5, w6, w7] = words;
  const high = [w0, w1, w2, w3];
  const tail = dotted(w6, w7);
  const startsWith = (...prefix: number[]): boolean => prefix.every((word, index) => words[index] === word);
  if (high.every((word) => word === 0)) {
    if (w4 === 0 && (w5 === 0 || w5 === 0xffff)) return [tail];
    if (w4 === 0xffff && w5 === 0) return [tail];
  }
  if (startsWith(0x64, 0xff9b, 0, 0, 0, 0) || startsWith(0x64, 0xff9b, 1)) return [tail];
  if (w0 === 0x2002) return [dotted(w1, w2)];
  return [];
}

type Words = readonly [number, number, number, number, number, number, number, number];

/** The eight 16-bit words, or undefined if this is no IPv6 address. */
function ipv6Words(address: string): Words | undefined {
  if (!isIPv6(address)) return undefined;
  // The URL parser writes every form of an IPv6 address in hexadecimal words.
  const canonical = URL.parse(`http://[${address.replace(/%.*$/, "")}]/`)?.hostname.slice(1, -1);
  if (canonical === undefined) return undefined;
  const [head = "", tail] = canonical.split("::");
  const front = parseWords(head);
  const back = parseWords(tail ?? "");
  const zeros = Array<number>(8 - front.length - back.length).fill(0);
  const words = tail === undefined ? front : [...front, ...zeros, ...back];
  return isEightWords(words) ? words : undefined;
}

function parseWords(text: string): number[] {
  return text === "" ? [] : text.split(":").map((word) => Number.parseInt(word, 16));
}

function isEightWords(words: readonly number[]): words is Words {
  return words.length === 8;
}

function dotted(high: number, low: number): string {
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join(".");
}
