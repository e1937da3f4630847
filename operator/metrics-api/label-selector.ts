/** One condition of a label selector. */
export interface LabelRequirement {
  readonly key: string;
  readonly operator: "in" | "notIn" | "exists" | "doesNotExist" | "greaterThan" | "lessThan";
  /** Of `in` and `notIn` one or more, of the comparisons one whole number; else none. */
  readonly values: readonly string[];
}

/** What a selector's text means: all requirements together, none of them everything. */
export type ParsedSelector =
  | { readonly kind: "selector"; readonly requirements: readonly LabelRequirement[] }
  | { readonly kind: "error"; readonly message: string };

/** Reads a label selector as the API server does: `a=b`, `a!=b`, `a in (b,c)`, `a notin (b)`, `a`, `!a`, `a>1`, `a<1`, joined by commas. */
export function parseLabelSelector(text: string): ParsedSelector {
  try {
    return { kind: "selector", requirements: parseRequirements(new Tokens(text)) };
  } catch (error) {
    if (!(error instanceof SelectorError)) throw error;
    return { kind: "error", message: error.message };
  }
}

/** Whether labels meet all requirements. A label that is absent meets `notIn`, as in all of Kubernetes. */
export function matchesLabels(
  requirements: readonly LabelRequirement[],
  labels: Readonly<Record<string, string>>,
): boolean {
  return requirements.every(({ key, operator, values }) =>
    MEANINGS[operator](Object.hasOwn(labels, key) ? labels[key] : undefined, values),
  );
}

const MEANINGS: Readonly<
  Record<LabelRequirement["operator"], (value: string | undefined, values: readonly string[]) => boolean>
> = {
  in: (value, values) => value !== undefined && values.includes(value),
  notIn: (value, values) => value === undefined || !values.includes(value),
  exists: (value) => value !== undefined,
  doesNotExist: (value) => value === undefined,
  greaterThan: (value, [than]) => comparison(value, than, (a, b) => a > b),
  lessThan: (value, [than]) => comparison(value, than, (a, b) => a < b),
};

class SelectorError extends Error {}

const WORD = /[^\s=!(),<>]+/y;
const SYMBOL = /==|!=|[=!(),<>]/y;
const SPACE = /[ \t\r\n]+/y;

/** The end of the text is the empty token. */
class Tokens {
  readonly #tokens: readonly string[];
  #next = 0;

  constructor(text: string) {
    const tokens: string[] = [];
    for (let at = 0; at < text.length;) {
      const pattern = [SPACE, WORD, SYMBOL].find((each) => {
        each.lastIndex = at;
        return each.test(text);
      });
      if (pattern === undefined) throw new SelectorError(`unexpected ${JSON.stringify(text[at])}`);
      if (pattern !== SPACE) tokens.push(text.slice(at, pattern.lastIndex));
      at = pattern.lastIndex;
    }
    this.#tokens = tokens;
  }

  peek(): string {
    return this.#tokens[this.#next] ?? "";
  }

  take(): string {
    return this.#tokens[this.#next++] ?? "";
  }

  /** Takes a name or value: `in` and `notin` are allowed as such. */
  takeWord(): string {
    const token = this.take();
    if (!isWord(token)) throw new SelectorError(`expected a name or a value, got ${named(token)}`);
    return token;
  }
}

function isWord(token: string): boolean {
  return token !== "" && !/^[=!(),<>]/.test(token);
}

function named(token: string): string {
  return token === "" ? "the end" : JSON.stringify(token);
}

function parseRequirements(tokens: Tokens): LabelRequirement[] {
  const requirements: LabelRequirement[] = [];
  if (tokens.peek() === "") return requirements;
  for (;;) {
    requirements.push(parseRequirement(tokens));
    const after = tokens.take();
    if (after === "") return requirements;
    if (after !== ",") throw new SelectorError(`expected a comma or the end, got ${named(after)}`);
  }
}

function parseRequirement(tokens: Tokens): LabelRequirement {
  if (tokens.peek() === "!") {
    tokens.take();
    return { key: checkedKey(tokens.takeWord()), operator: "doesNotExist", values: [] };
  }
  const key = checkedKey(tokens.takeWord());
  if (tokens.peek() === "" || tokens.peek() === ",") return { key, operator: "exists", values: [] };
  const operator = tokens.take();
  switch (operator) {
    case "=":
    case "==":
      return { key, operator: "in", values: [exactValue(tokens)] };
    case "!=":
      return { key, operator: "notIn", values: [exactValue(tokens)] };
    case "in":
      return { key, operator: "in", values: valueList(tokens) };
    case "notin":
      return { key, operator: "notIn", values: valueList(tokens) };
    case ">":
      return { key, operator: "greaterThan", values: [wholeNumber(tokens)] };
    case "<":
      return { key, operator: "lessThan", values: [wholeNumber(tokens)] };
    default:
      throw new SelectorError(`expected one of = == != in notin > <, got ${named(operator)}`);
  }
}

/** Nothing after the operator is the empty value. */
function exactValue(tokens: Tokens): string {
  const isEmpty = tokens.peek() === "" || tokens.peek() === ",";
  return isEmpty ? "" : checkedValue(tokens.takeWord());
}

function wholeNumber(tokens: Tokens): string {
  const value = exactValue(tokens);
  if (int64Of(value) === undefined) throw new SelectorError(`expected a whole number, got ${named(value)}`);
  return value;
}

/**
 * `(a,b)`; nothing before, after or between commas, and nothing at all, is the empty value. Two commas at the end are an
 * error: the API server's grammar has it so.
 */
function valueList(tokens: Tokens): string[] {
  const open = tokens.take();
  if (open !== "(") throw new SelectorError(`expected "(", got ${named(open)}`);
  const values = new Set<string>();
  if (tokens.peek() === ")") {
    tokens.take();
    return [""];
  }
  for (;;) {
    if (tokens.peek() === ",") {
      tokens.take();
      if (values.size === 0) values.add("");
      if (tokens.peek() === ",") {
        tokens.take();
        values.add("");
      } else if (tokens.peek() === ")") {
        values.add("");
        tokens.take();
        return [...values];
      }
      continue;
    }
    values.add(checkedValue(tokens.takeWord()));
    if (tokens.peek() === ")") {
      tokens.take();
      return [...values];
    }
    if (tokens.peek() !== ",") throw new SelectorError(`expected "," or ")", got ${named(tokens.peek())}`);
  }
}

const NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const LONGEST_SUBDOMAIN = 253;

function checkedKey(key: string): string {
  const parts = key.split("/");
  const name = parts.at(-1) ?? "";
  const prefix = parts.length === 2 ? parts[0] : undefined;
  const isPrefixValid = prefix === undefined || (prefix.length <= LONGEST_SUBDOMAIN && SUBDOMAIN.test(prefix));
  if (parts.length > 2 || !NAME.test(name) || !isPrefixValid)
    throw new SelectorError(`${JSON.stringify(key)} is not a valid label key`);
  return key;
}

function checkedValue(value: string): string {
  if (!NAME.test(value)) throw new SelectorError(`${JSON.stringify(value)} is not a valid label value`);
  return value;
}

function comparison(
  value: string | undefined,
  than: string | undefined,
  compare: (a: bigint, b: bigint) => boolean,
): boolean {
  const [a, b] = [int64Of(value), int64Of(than)];
  return a !== undefined && b !== undefined && compare(a, b);
}

const LARGEST_INT64 = 2n ** 63n - 1n;

/** A label value has no sign. */
function int64Of(text: string | undefined): bigint | undefined {
  if (text === undefined || !/^[0-9]+$/.test(text)) return undefined;
  const number = BigInt(text);
  return number <= LARGEST_INT64 ? number : undefined;
}
