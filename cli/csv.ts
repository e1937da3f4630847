/** The longest row that is read, in characters: a file that is no CSV may be one endless row. */
const MAX_ROW_CHARS = 16 * 1024 * 1024;

/** Thrown for a text that is no CSV; the message completes "FILE ...". */
export class CsvError extends Error {
  override name = "CsvError";
}

/**
 * The rows of a text in CSV (RFC 4180) that comes in pieces: fields separated by commas, in double quotes where they hold commas,
 * line ends or doubled quotes. Empty lines are no rows. Throws {@link CsvError}.
 */
export async function* csvRows(pieces: AsyncIterable<string> | Iterable<string>): AsyncGenerator<string[]> {
  const reader = new CsvReader();
  let isFirst = true;
  for await (const piece of pieces) {
    const text = isFirst && piece.startsWith("\uFEFF") ? piece.slice(1) : piece;
    isFirst = false;
    // By code units: whatever is no sign of CSV is passed on as it is.
    for (let at = 0; at < text.length; at++) {
      const row = reader.read(text[at] ?? "");
      if (row !== undefined) yield row;
    }
  }
  const last = reader.end();
  if (last !== undefined) yield last;
}

class CsvReader {
  #row: string[] = [];
  #field = "";
  /** After a quote within quotes, only the next character tells whether it was the last one: `closed`. */
  #state: "plain" | "quoted" | "closed" = "plain";
  #length = 0;
  #number = 1;

  /** The row that ends with this character, if one does. */
  read(char: string): string[] | undefined {
    if (++this.#length > MAX_ROW_CHARS)
      throw new CsvError(`has a row that is too long, row ${this.#number}: is it CSV?`);
    if (char === '"') this.#quote();
    else if (this.#state === "quoted") this.#field += char;
    else if (char === ",") this.#endField();
    else if (char === "\n") return this.#endRow();
    else if (char !== "\r") this.#append(char);
    return undefined;
  }

  /** The row that ends with the text. */
  end(): string[] | undefined {
    if (this.#state === "quoted") throw new CsvError(`ends within quotes that were opened in row ${this.#number}`);
    return this.#endRow();
  }

  #quote(): void {
    if (this.#state === "quoted") this.#state = "closed";
    else if (this.#state === "closed") {
      this.#field += '"';
      this.#state = "quoted";
    } else if (this.#field === "") this.#state = "quoted";
    else this.#field += '"';
  }

  #append(char: string): void {
    if (this.#state === "closed") throw new CsvError(`has text after a closing quote, in row ${this.#number}`);
    this.#field += char;
  }

  #endField(): void {
    this.#row.push(this.#field);
    this.#field = "";
    this.#state = "plain";
  }

  #endRow(): string[] | undefined {
    const isEmpty = this.#row.length === 0 && this.#field === "" && this.#state === "plain";
    this.#endField();
    const row = this.#row;
    this.#row = [];
    this.#length = 0;
    this.#number++;
    return isEmpty ? undefined : row;
  }
}
