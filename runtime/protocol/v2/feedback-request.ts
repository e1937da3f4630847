import type { Outcome } from "../../../common/monitoring-api.ts";
import { ServingError } from "../../errors.ts";
import { parseJson, type JsonValue } from "../json/json-scanner.ts";

/** Outcomes in one request, at most. */
export const MAX_OUTCOMES = 1_000;
/** Of one outcome: one for each row. */
const MAX_VALUES = 1_024;
const MAX_ID_LENGTH = 128;
const MAX_TEXT_LENGTH = 256;

/**
 * Reads the body of a request for feedback: `{"id": ..., "outcome": ...}`, or several of them as `{"feedback": [...]}`. Throws
 * ServingError (InvalidArgument), which says where what was expected.
 */
export function readFeedbackRequest(body: Uint8Array): Outcome[] {
  const value = parseJson(body);
  if (!isObject(value)) throw invalid("body", "an object", value);
  const several = value["feedback"];
  if (several === undefined) return [readOutcome(value, "")];
  if (!Array.isArray(several)) throw invalid("feedback", "an array", several);
  if (several.length === 0 || several.length > MAX_OUTCOMES)
    throw new ServingError(
      "InvalidArgument",
      `feedback: expected from 1 to ${MAX_OUTCOMES} outcomes, got ${several.length}`,
    );
  return several.map((each, index) => readOutcome(each, `feedback[${index}].`));
}

function readOutcome(value: JsonValue, place: string): Outcome {
  if (!isObject(value)) throw invalid(place.slice(0, -1), "an object", value);
  const { id, outcome } = value;
  if (typeof id !== "string") throw invalid(`${place}id`, "the x-request-id of the answer, a string", id);
  if (id === "" || id.length > MAX_ID_LENGTH)
    throw new ServingError(
      "InvalidArgument",
      `${place}id: expected from 1 to ${MAX_ID_LENGTH} characters, got ${id.length}`,
    );
  const values = Array.isArray(outcome) ? outcome : [outcome];
  if (values.length === 0 || values.length > MAX_VALUES)
    throw new ServingError(
      "InvalidArgument",
      `${place}outcome: expected from 1 to ${MAX_VALUES} values, one for each row, got ${values.length}`,
    );
  return { requestId: id, values: values.map((each) => readValue(each, `${place}outcome`)) };
}

function readValue(value: JsonValue | undefined, place: string): Outcome["values"][number] {
  if (typeof value === "boolean" || typeof value === "number") return value;
  if (typeof value !== "string") throw invalid(place, "a string, a number or a boolean for each row", value);
  if (value.length <= MAX_TEXT_LENGTH) return value;
  throw new ServingError(
    "InvalidArgument",
    `${place}: expected at most ${MAX_TEXT_LENGTH} characters, got ${value.length}`,
  );
}

function isObject(value: JsonValue): value is { [key: string]: JsonValue } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(place: string, expected: string, got: JsonValue | undefined): ServingError {
  const kind =
    got === undefined
      ? "none"
      : got === null
        ? "null"
        : Array.isArray(got)
          ? "an array"
          : `a value of type ${typeof got}`;
  return new ServingError("InvalidArgument", `${place}: expected ${expected}, got ${kind}`);
}
