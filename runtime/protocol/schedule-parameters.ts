import type { Priority } from "../core/servable.ts";
import { ServingError } from "../errors.ts";
import type { Parameters } from "./infer-request.ts";

/** What a request wants of its turn, by Triton's extension `schedule_policy`. */
export interface Schedule {
  readonly priority?: Priority;
  /** How long an answer is waited for, in ms. */
  readonly timeoutMs?: number;
}

/**
 * Reads the parameters `priority`, a whole number, and `timeout`, in microseconds, where 0 is none. Throws ServingError
 * (InvalidArgument).
 */
export function scheduleOf(parameters: Parameters): Schedule {
  const priority = wholeNumber(parameters, "priority");
  const timeoutUs = wholeNumber(parameters, "timeout");
  return {
    ...(priority !== undefined && { priority: priorityOf(priority) }),
    ...(timeoutUs !== undefined && timeoutUs > 0 && { timeoutMs: timeoutUs / 1_000 }),
  };
}

/**
 * The priority that a number stands for, as Triton counts: 1 is the highest, greater numbers are lower, 0 is the default.
 * There are two: 0 and 1 are interactive, all others are for what may wait.
 */
export function priorityOf(number: number): Priority {
  return number > 1 ? "batch" : "interactive";
}

function wholeNumber(parameters: Parameters, name: string): number | undefined {
  const value = parameters[name];
  if (value === undefined) return undefined;
  const number = typeof value === "bigint" || typeof value === "number" ? Number(value) : Number.NaN;
  if (Number.isInteger(number) && number >= 0) return number;
  throw new ServingError(
    "InvalidArgument",
    `parameters.${name}: expected a whole number of at least 0, got another value`,
  );
}
