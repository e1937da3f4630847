/** Makes text safe for a cell of a Markdown table: pipes are escaped, a line break becomes `<br>`. */
export function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll(/\s*\n\s*/g, "<br>");
}

/** A value as code: `true`, `"info"` without its quotes; nothing for undefined. */
export function code(value: unknown): string {
  if (value === undefined) return "";
  const text = typeof value === "string" && value !== "" ? value : JSON.stringify(value);
  return text.includes("`") ? `\`\` ${text} \`\`` : `\`${text}\``;
}

/** A Markdown table. Cells are escaped here. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** The notice at the top of a generated page, invisible to readers. */
export function notice(...sources: readonly string[]): string {
  return `<!-- Generated from ${sources.join(" and ")} by \`npm run generate\`. Do not edit. -->`;
}

/** Replaces what is between `<!-- NAME: start -->` and `<!-- NAME: end -->`. Throws an Error if they are not there. */
export function replaceSection(page: string, name: string, content: string): string {
  const start = `<!-- ${name}: start -->`;
  const end = `<!-- ${name}: end -->`;
  const from = page.indexOf(start);
  const to = page.indexOf(end);
  if (from === -1 || to < from) throw new Error(`expected ${start} and ${end} in the page`);
  return `${page.slice(0, from + start.length)}\n\n${content}\n\n${page.slice(to)}`;
}
