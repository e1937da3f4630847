import type { Tensor } from "../../core/tensor.ts";
import { JsonWriter } from "../json/json-writer.ts";
import { guessTextBytes } from "../json/tensor-text.ts";
import type { ModelAnswer } from "../dialect.ts";
import { rowsOf, withoutState } from "../tensorflow-serving/predict-answer.ts";
import { writeValue } from "../tensorflow-serving/value-writer.ts";

/**
 * Writes a prediction as CSV without a header: a line for each row, with all elements of the outputs in their order. NaN
 * and infinities are words. Throws ServingError (InvalidArgument) if the outputs have not as many rows as each other.
 */
export function writeCsvAnswer(answer: ModelAnswer): string {
  const outputs = withoutState(answer);
  const rows = rowsOf(outputs);
  const columns = outputs.map(cellsOf);
  const lines: string[] = [];
  for (let row = 0; row < rows; row++) {
    const cells = columns.flatMap((all) => {
      const width = all.length / rows;
      return all.slice(row * width, (row + 1) * width);
    });
    lines.push(cells.join(","));
  }
  return lines.map((line) => `${line}\n`).join("");
}

function cellsOf(tensor: Tensor): readonly string[] {
  if (tensor.datatype === "BYTES") return tensor.data.map(quoteCell);
  const { length } = tensor.data;
  if (length === 0) return [];
  const writer = new JsonWriter(guessTextBytes(tensor));
  writeValue(writer, { tensor, dimensions: [length], from: 0, to: length }, "word");
  // Without the brackets. No element has a comma in it.
  return writer.finish().toString("latin1").slice(1, -1).split(",");
}

/** An empty text is in quotes: a line of nothing would be none. */
function quoteCell(text: string): string {
  return text === "" || /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
