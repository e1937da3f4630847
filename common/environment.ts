/**
 * Configuration of a process by environment variables, as a table: the table is what is parsed, what `--help` shows
 * and what docs/reference/configuration.md is generated from.
 */
export interface Variable<T> {
  /** What it sets, for people; with its unit. */
  readonly doc: string;
  /** The value when the variable is not set, as text; undefined makes it required. */
  readonly fallback: string | undefined;
  /** Throws an Error that says what was expected. */
  readonly parse: (text: string) => T;
}

export type Environment = Readonly<Record<string, string | undefined>>;
export type VariableTable = Readonly<Record<string, Variable<unknown>>>;
export type ValuesOf<T extends VariableTable> = { readonly [K in keyof T]: T[K] extends Variable<infer V> ? V : never };

/** Thrown when variables are missing or wrong; the message has a line for each. */
export class EnvironmentError extends Error {
  override name = "EnvironmentError";
}

/** Reads all variables of a table. Throws {@link EnvironmentError}, which names all that is wrong and no value. */
export function readEnvironment<T extends VariableTable>(table: T, environment: Environment): ValuesOf<T> {
  const values: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const [name, variable] of Object.entries(table)) {
    const given = environment[name] ?? variable.fallback;
    if (given === undefined) {
      problems.push(`${name} is not set: ${variable.doc}`);
      continue;
    }
    try {
      values[name] = variable.parse(given);
    } catch (error) {
      problems.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (problems.length > 0) throw new EnvironmentError(problems.join("\n"));
  return values as ValuesOf<T>;
}

/** A text, taken as it is. */
export function text(fallback: string | undefined, doc: string): Variable<string> {
  return { doc, fallback, parse: (value) => value };
}

/** A whole number within limits. */
export function integer(fallback: number, doc: string, limits: { min: number; max: number }): Variable<number> {
  return {
    doc,
    fallback: String(fallback),
    parse: (value) => {
      const number = Number(value);
      if (value.trim() !== "" && Number.isSafeInteger(number) && number >= limits.min && number <= limits.max)
        return number;
      throw new Error(`expected a whole number from ${limits.min} to ${limits.max}`);
    },
  };
}

/** A range of ports, such as `20000-29999`. */
export function portRange(fallback: string, doc: string): Variable<PortRange> {
  return {
    doc,
    fallback,
    parse: (value) => {
      const [first = 0, last = 0] = (/^(\d{1,5})-(\d{1,5})$/.exec(value.trim()) ?? []).slice(1).map(Number);
      if (first >= 1024 && first < last && last <= 65_535) return { first, last };
      throw new Error("expected two ports from 1024 to 65535, the lower one first, such as 20000-29999");
    },
  };
}

/** Ports from `first` to `last`, both included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** `true` or `false`. */
export function flag(fallback: boolean, doc: string): Variable<boolean> {
  return {
    doc,
    fallback: String(fallback),
    parse: (value) => {
      if (value === "true" || value === "false") return value === "true";
      throw new Error("expected true or false");
    },
  };
}

/** One of a few words. */
export function choice<W extends string>(fallback: W, words: readonly W[], doc: string): Variable<W> {
  return {
    doc: `${doc} One of ${words.join(", ")}.`,
    fallback,
    parse: (value) => {
      const word = words.find((candidate) => candidate === value);
      if (word !== undefined) return word;
      throw new Error(`expected one of ${words.join(", ")}`);
    },
  };
}

/** Texts with commas between them; blanks around them are dropped. */
export function list(fallback: string, doc: string): Variable<readonly string[]> {
  return {
    doc: `${doc} Separated by commas.`,
    fallback,
    parse: (value) =>
      value
        .split(",")
        .map((item) => item.trim())
        .filter((item) => item !== ""),
  };
}
