import type { Outcome, OutcomeSums } from "../../../common/monitoring-api.ts";
import type { PredictedRows, PredictedValue } from "./predicted-rows.ts";

type OutcomeValue = Outcome["values"][number];

/** Why an outcome cannot be compared with its prediction, for whoever sent it. */
export interface Mismatch {
  readonly problem: string;
}

/** Greater errors are none of the model's, and their squares no numbers. */
const GREATEST_ERROR = 1e150;

export const NO_OUTCOMES: OutcomeSums = {
  joined: 0,
  labels: 0,
  correct: 0,
  numbers: 0,
  absoluteError: 0,
  squaredError: 0,
};

/** Compares what was predicted with what came true, row by row. */
export function compareOutcome(predicted: PredictedRows, outcome: readonly OutcomeValue[]): OutcomeSums | Mismatch {
  const { kind, rows } = predicted;
  if (outcome.length !== rows)
    return {
      problem: `outcome: expected ${rows === 1 ? "one value" : `${rows} values, one for each row`}, got ${outcome.length}`,
    };
  const values = Array.isArray(predicted.values) ? predicted.values : [predicted.values as PredictedValue];
  return kind === "label" ? compareLabels(values, outcome) : compareNumbers(values as number[], outcome);
}

/** Adds sums. */
export function addOutcomes(one: OutcomeSums, other: OutcomeSums): OutcomeSums {
  return {
    joined: one.joined + other.joined,
    labels: one.labels + other.labels,
    correct: one.correct + other.correct,
    numbers: one.numbers + other.numbers,
    absoluteError: Math.min(one.absoluteError + other.absoluteError, Number.MAX_VALUE),
    squaredError: Math.min(one.squaredError + other.squaredError, Number.MAX_VALUE),
  };
}

function compareLabels(predicted: readonly PredictedValue[], outcome: readonly OutcomeValue[]): OutcomeSums {
  let correct = 0;
  for (const [row, value] of outcome.entries()) if (isSameLabel(predicted[row] ?? "", value)) correct++;
  return { ...NO_OUTCOMES, joined: outcome.length, labels: outcome.length, correct };
}

/**
 * Whether two labels are the same: texts character by character; a number and a text as numbers, so that 1 is "1" and "1.0"; truth
 * values also as 1 and 0.
 */
export function isSameLabel(one: PredictedValue, other: PredictedValue): boolean {
  if (one === other) return true;
  if (typeof one === "string" && typeof other === "string") return false;
  if (typeof one === "boolean" && typeof other === "string") return String(one) === other.toLowerCase();
  if (typeof one === "string" && typeof other === "boolean") return isSameLabel(other, one);
  const number = numberOf(one);
  return number !== undefined && number === numberOf(other);
}

function compareNumbers(predicted: readonly number[], outcome: readonly OutcomeValue[]): OutcomeSums | Mismatch {
  let numbers = 0;
  let absoluteError = 0;
  let squaredError = 0;
  for (const [row, value] of outcome.entries()) {
    const truth = numberOf(value);
    if (truth === undefined)
      return { problem: "outcome: expected numbers, as the model predicts them, got another value" };
    const error = Math.abs((predicted[row] as number) - truth);
    if (error > GREATEST_ERROR)
      return { problem: "outcome: expected a number near what a model can predict, got a far greater one" };
    // The model gave no number.
    if (Number.isNaN(error)) continue;
    numbers++;
    absoluteError += error;
    squaredError += error * error;
  }
  return { ...NO_OUTCOMES, joined: outcome.length, numbers, absoluteError, squaredError };
}

function numberOf(value: PredictedValue): number | undefined {
  if (typeof value === "string" && value.trim() === "") return undefined;
  const number = Number(value);
  return Number.isFinite(number) ? number : undefined;
}
