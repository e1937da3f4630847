import { ServingError } from "../errors.ts";
import type { SequencePosition } from "./dialect.ts";
import type { Parameters } from "./infer-request.ts";

/** Ids are kept as long as their sequences, so they must not be long. */
const LONGEST_ID = 256;

/**
 * Where a request stands in a sequence, by its parameters `sequence_id` (a text, or an integer above 0), `sequence_start`
 * and `sequence_end`. Undefined if it is in none: clients write `0`, an empty text and `false` for that. Throws
 * ServingError (InvalidArgument).
 */
export function sequenceOf(parameters: Parameters): SequencePosition | undefined {
  const id = parameters["sequence_id"];
  const isStart = flag(parameters, "sequence_start");
  const isEnd = flag(parameters, "sequence_end");
  if (id === undefined || id === 0 || id === "") {
    if (!isStart && !isEnd) return undefined;
    throw new ServingError(
      "InvalidArgument",
      'parameters: expected "sequence_id" beside "sequence_start" and "sequence_end", got none',
    );
  }
  return { id: idText(id), isStart, isEnd };
}

function flag(parameters: Parameters, name: string): boolean {
  const value = parameters[name];
  if (value === undefined || typeof value === "boolean") return value ?? false;
  throw new ServingError("InvalidArgument", `parameters.${name}: expected true or false, got a ${typeof value}`);
}

function idText(id: string | number | bigint | boolean): string {
  const isInteger = typeof id === "bigint" ? id > 0n : Number.isSafeInteger(id) && Number(id) > 0;
  if (isInteger || (typeof id === "string" && id.length <= LONGEST_ID)) return String(id);
  throw new ServingError(
    "InvalidArgument",
    `parameters.sequence_id: expected an integer above 0 or a text of at most ${LONGEST_ID} characters, got another value`,
  );
}
