/** An element of an XML document: its text, or the elements in it. Attributes are not kept. */
export interface XmlElement {
  readonly name: string;
  /** Decoded; what stands between the elements in it, if there are any. */
  readonly text: string;
  readonly children: readonly XmlElement[];
}

const MAX_DEPTH = 16;
const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
/** A declaration, comment or processing instruction; a CDATA section; a tag. */
const MARKUP =
  /<\?[^>]*\?>|<!--[\s\S]*?-->|<!\[CDATA\[([\s\S]*?)\]\]>|<(\/?)([A-Za-z_][-A-Za-z0-9_.:]*)(?:\s[^<>]*?)?(\/?)>/y;

/**
 * Reads the plain XML of a storage's answers: elements and text, no document type and no entities but XML's own five, so
 * nothing in it can refer to anything. Undefined if it is anything else.
 */
export function parseXml(text: string): XmlElement | undefined {
  const root: MutableElement = { name: "", text: "", children: [] };
  const open: MutableElement[] = [root];
  const source = text.replace(/^\ufeff/, "");
  for (let position = 0; position < source.length;) {
    const parent = open.at(-1);
    if (parent === undefined) return undefined;
    if (source[position] !== "<") {
      const end = source.indexOf("<", position);
      const decoded = decode(source.slice(position, end === -1 ? undefined : end));
      if (decoded === undefined) return undefined;
      parent.text += decoded;
      position = end === -1 ? source.length : end;
      continue;
    }
    MARKUP.lastIndex = position;
    const match = MARKUP.exec(source);
    if (match === null) return undefined;
    position = MARKUP.lastIndex;
    const [, cdata, closing, name, empty] = match;
    if (cdata !== undefined) parent.text += cdata;
    if (name === undefined) continue;
    if (closing !== "") {
      if (parent.name !== name) return undefined;
      open.pop();
      continue;
    }
    const element: MutableElement = { name, text: "", children: [] };
    parent.children.push(element);
    if (empty === "") open.push(element);
    if (open.length > MAX_DEPTH) return undefined;
  }
  return open.length === 1 && root.children.length === 1 ? root.children[0] : undefined;
}

/** The first element of a name that lies directly in another. */
export function child({ children }: XmlElement, name: string): XmlElement | undefined {
  return children.find((element) => element.name === name);
}

interface MutableElement extends XmlElement {
  text: string;
  readonly children: MutableElement[];
}

/** Undefined for an entity that is not XML's own. */
function decode(text: string): string | undefined {
  if (!text.includes("&")) return text;
  let isKnown = true;
  const decoded = text.replaceAll(/&(?:#(\d{1,7})|#x([0-9A-Fa-f]{1,6})|(\w{1,8}));|&/g, (whole, decimal, hex, name) => {
    const code = decimal === undefined ? Number.parseInt(String(hex), 16) : Number(decimal);
    const char = name === undefined ? characterOf(code) : ENTITIES[String(name)];
    isKnown &&= char !== undefined && whole !== "&";
    return char ?? "";
  });
  return isKnown ? decoded : undefined;
}

function characterOf(code: number): string | undefined {
  return code <= 0x10ffff ? String.fromCodePoint(code) : undefined;
}
