import { BatchCosts } from "../runtime/batching/batch-costs.ts";
import { BatchShape, whyUnbatchable } from "../runtime/batching/batch-shape.ts";
import { findMisfit } from "../runtime/batching/run-outputs.ts";
import { joinRows } from "../runtime/batching/tensor-rows.ts";
import { tryBatches } from "../runtime/batching/try-batches.ts";
import type { InferenceResult, LoadedModel } from "../runtime/core/servable.ts";
import type { Tensor } from "../runtime/core/tensor.ts";
import { ServingError } from "../runtime/errors.ts";
import type { TensorPlan } from "../runtime/monitoring/drift/feature-plan.ts";
import { sampleValues, type SampledValues } from "../runtime/monitoring/drift/sampled-values.ts";
import { checkRequest } from "../runtime/protocol/check-request.ts";
import { CliError } from "./cli-error.ts";
import type { InputColumns } from "./profile-columns.ts";
import type { Refusal } from "./refusals.ts";
import { tensorOfRow } from "./row-tensors.ts";
import type { Row } from "./row-source.ts";

/** Rows that are run together at most, and wait at most. */
const MAX_ROWS = 256;
/** Elements of inputs and outputs that are in memory at a time, about. */
const MAX_ELEMENTS = 2 ** 21;
/** Different rows that show whether rows can be run together. */
const TRIAL_ROWS = 4;
/** How long that may take, in ms. */
const TRIAL_MS = 2_000;

export interface ModelAnswersOptions {
  readonly model: Pick<LoadedModel, "signature" | "infer">;
  /** Of all inputs of the model. */
  readonly inputs: readonly InputColumns[];
  /** What is watched of its answers. */
  readonly plans: readonly TensorPlan[];
  readonly signal: AbortSignal;
  /** Hears the answers to rows, as a replica that is asked them looks at them. */
  readonly answered: (values: SampledValues) => void;
  readonly refused: (refusal: Refusal) => void;
}

interface WaitingRow {
  readonly place: string;
  readonly inputs: readonly Tensor[];
}

/** Asks a model about rows: as many at a time as it answers together as it does alone, and as pays. */
export class ModelAnswers {
  readonly #options: ModelAnswersOptions;
  readonly #shape: BatchShape;
  /** Rows of each run, where the model wants so many. */
  readonly #fixedRows: number | undefined;
  readonly #outputs: readonly string[];
  #waiting: WaitingRow[] = [];
  #waitingElements = 0;
  /** Rows of each run, once that is known. */
  #together: number | undefined;

  constructor(options: ModelAnswersOptions) {
    const { signature } = options.model;
    this.#options = options;
    this.#shape = new BatchShape(signature);
    this.#outputs = options.plans.map(({ tensor }) => tensor);
    const [first = -1, ...others] = signature.inputs.map(({ shape }) => shape[0] ?? -1);
    if (first > 1 && others.every((rows) => rows === first)) this.#fixedRows = first;
    if (this.#fixedRows === undefined && whyUnbatchable(signature) !== undefined) this.#together = 1;
  }

  /** Resolves when there is room for another row. Rejects with CliError where the model cannot go on. */
  async add(row: Row, place: string): Promise<void> {
    let inputs: Tensor[];
    try {
      inputs = this.#options.inputs.map((input) => tensorOfRow(input, row, place));
    } catch (error) {
      if (!isAboutInputs(error)) throw error;
      return this.#options.refused({ place, why: error.message });
    }
    this.#waiting.push({ place, inputs });
    this.#waitingElements += elementsOf(inputs);
    if (this.#fixedRows === undefined) {
      if (this.#waiting.length >= MAX_ROWS || this.#waitingElements >= MAX_ELEMENTS) await this.#askAll();
    } else if (this.#waiting.length === this.#fixedRows) await this.#askAll();
  }

  /** Resolves when all rows are answered. */
  async end(): Promise<void> {
    await this.#askAll();
  }

  async #askAll(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingElements = 0;
    if (this.#fixedRows !== undefined) return await this.#ask(waiting);
    // Rows of one shape have one shape together.
    for (const rows of Map.groupBy(waiting, ({ inputs }) => shapesOf(inputs)).values()) {
      this.#together ??= await this.#try(rows);
      const together = this.#together ?? 1;
      for (let at = 0; at < rows.length; at += together) await this.#ask(rows.slice(at, at + together));
    }
  }

  /** How many rows are to be run together; undefined where these do not tell. */
  async #try(rows: readonly WaitingRow[]): Promise<number | undefined> {
    const { signature } = this.#options.model;
    const trialRows = rows.filter(({ inputs }) => this.#shape.rowsOf(inputs) === 1).slice(0, TRIAL_ROWS);
    let elements = 0;
    const run = async (inputs: readonly Tensor[]): Promise<InferenceResult> => {
      const result = await this.#run(inputs);
      elements = Math.max(elements, elementsOf([...inputs, ...result.outputs]));
      return result;
    };
    const endMs = performance.now() + TRIAL_MS;
    const options = { signature, iterations: 1, run, hasTimeFor: (ms: number) => performance.now() + ms < endMs };
    try {
      // How much an answer is decides how many may be had together.
      const alone = trialRows.map(({ inputs }) => inputs);
      if ((await tryBatches(alone, { ...options, maxBatchSize: 2 })).kind === "unbatchable")
        return elements === 0 ? undefined : 1;
      const maxBatchSize = Math.max(2, Math.min(MAX_ROWS, Math.floor(MAX_ELEMENTS / (elements / 2))));
      const trial = await tryBatches(alone, { ...options, maxBatchSize });
      if (trial.kind === "unbatchable") return 1;
      const costs = new BatchCosts(trial.knowledge.maxRows);
      for (const cost of trial.knowledge.costs) costs.observe(cost);
      return costs.bestRows;
    } catch (error) {
      throw this.#failureOf(error, rows[0]?.place);
    }
  }

  async #ask(rows: readonly WaitingRow[]): Promise<void> {
    const [first] = rows;
    if (first === undefined) return;
    const { plans, answered, refused } = this.#options;
    const count = rows.length;
    let outputs: readonly Tensor[];
    try {
      const inputs = first.inputs.map((input, at) =>
        count === 1
          ? input
          : joinRows(
              rows.map((row) => row.inputs[at] ?? input),
              count,
            ),
      );
      ({ outputs } = await this.#run(inputs));
    } catch (error) {
      if (!isAboutInputs(error)) throw this.#failureOf(error, first.place);
      if (count > 1 && this.#fixedRows === undefined) return await this.#askEach(rows);
      for (const { place } of rows) refused({ place, why: error.message });
      return;
    }
    // What cannot be told apart by row is not the rows' own.
    if (count > 1 && this.#fixedRows === undefined && findMisfit(outputs, count) !== undefined)
      return await this.#askEach(rows);
    for (const [at, plan] of plans.entries()) {
      const output = outputs[at];
      const values = output === undefined ? undefined : sampleValues(plan, output, count, { first: 0, step: 1, count });
      if (values !== undefined) answered(values);
    }
  }

  async #askEach(rows: readonly WaitingRow[]): Promise<void> {
    for (const row of rows) await this.#ask([row]);
  }

  async #run(tensors: readonly Tensor[]): Promise<InferenceResult> {
    const { model, signal } = this.#options;
    const request = {
      id: undefined,
      parameters: {},
      inputs: tensors.map((tensor) => ({ tensor, parameters: {} })),
      outputs: undefined,
    };
    const { inputs } = checkRequest(request, { signature: model.signature, state: [] });
    return await model.infer({ inputs, outputs: this.#outputs }, signal);
  }

  #failureOf(error: unknown, place = ""): unknown {
    if (!(error instanceof ServingError)) return error;
    return new CliError(`${place}: ${error.message}; --no-run makes the profile without asking the model`, {
      cause: error,
    });
  }
}

const ABOUT_INPUTS: ReadonlySet<string> = new Set(["InvalidArgument", "Internal"]);

/** Not that the model is gone. */
function isAboutInputs(error: unknown): error is ServingError {
  return error instanceof ServingError && ABOUT_INPUTS.has(error.code);
}

function elementsOf(tensors: readonly Tensor[]): number {
  return tensors.reduce((sum, { data }) => sum + data.length, 0);
}

function shapesOf(inputs: readonly Tensor[]): string {
  return inputs.map(({ shape }) => shape.join()).join(" ");
}
