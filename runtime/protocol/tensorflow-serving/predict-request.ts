import type { ServableView } from "../../core/servable.ts";
import type { Tensor, TensorSpec } from "../../core/tensor.ts";
import { ServingError } from "../../errors.ts";
import { checkRequest } from "../check-request.ts";
import type { JsonScanner } from "../json/json-scanner.ts";
import { quoteName, quoteNames } from "../wording.ts";
import { isBase64Next, LENIENT_READERS, skipLenient, type ElementReaders } from "./lenient-elements.ts";
import { readTensor, TensorRows } from "./tensor-rows.ts";

const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;

/** `row`: an element for each instance, with all its inputs; `column`: each input as a whole. */
export type PredictFormat = "row" | "column";

/** A request to predict, whose inputs fit the model. */
export interface PredictRequest {
  readonly format: PredictFormat;
  /** In the order of the signature; a model's state may be missing. */
  readonly inputs: readonly Tensor[];
}

/** What a request is read for. */
export type Target = Pick<ServableView, "signature" | "state">;

/**
 * Reads the object of a request: `{"instances": [...]}` or `{"inputs": ...}`, and `signature_name`. Other members are
 * ignored. Throws ServingError (InvalidArgument).
 */
export function readPredictRequest(scanner: JsonScanner, target: Target): PredictRequest {
  let format: PredictFormat | undefined;
  let inputs: readonly Tensor[] = [];
  scanner.readObject("request", (key) => {
    if (key === "signature_name") readSignatureName(scanner);
    else if (key === "instances" || key === "inputs") {
      if (format !== undefined) {
        throw new ServingError("InvalidArgument", 'request: expected one of "instances" and "inputs", got both');
      }
      format = key === "instances" ? "row" : "column";
      inputs = format === "row" ? readInstances(scanner, target) : readColumns(scanner, target);
    } else skipLenient(scanner, quoteName(key));
  });
  if (format === undefined) {
    throw new ServingError("InvalidArgument", 'request: expected "instances" or "inputs", got neither');
  }
  return { format, inputs: fitInputs(inputs, target) };
}

/** ONNX models have one signature. Throws ServingError (InvalidArgument) for the name of another. */
export function readSignatureName(scanner: JsonScanner): void {
  const name = scanner.readString("signature_name");
  if (name === "" || name === "serving_default") return;
  throw new ServingError(
    "InvalidArgument",
    `Serving signature name: ${quoteName(name)} not found in signature def: expected "serving_default"`,
  );
}

/** Inputs in the order of the signature. Throws ServingError if they do not fit it. */
export function fitInputs(inputs: readonly Tensor[], target: Target): readonly Tensor[] {
  const given = inputs.map((tensor) => ({ tensor, parameters: {} }));
  return checkRequest({ id: undefined, parameters: {}, inputs: given, outputs: undefined }, target).inputs;
}

/** The inputs that a request must have. */
export function requiredInputs({ signature, state }: Target): readonly TensorSpec[] {
  if (state.length === 0) return signature.inputs;
  return signature.inputs.filter(({ name }) => !state.some(({ input }) => input === name));
}

/**
 * Reads the array `instances`: values of the only input, or objects that name each input. Throws ServingError; what is
 * missing only {@link fitInputs} tells.
 */
export function readInstances(scanner: JsonScanner, target: Target): readonly Tensor[] {
  if (scanner.peek() !== OPEN_BRACKET) throw scanner.mismatch("instances", "an array");
  const start = scanner.position;
  scanner.position++;
  const first = scanner.peek();
  if (first === CLOSE_BRACKET) {
    throw new ServingError("InvalidArgument", "instances: expected at least 1 instance, got none");
  }
  const areNamed = first === OPEN_BRACE && !isBase64Value(scanner, target);
  scanner.position = start;
  if (areNamed) return readRecords(scanner, "instances", target, LENIENT_READERS);
  return [readTensor(scanner, "instances", onlyInput(target, "instances", "objects that name them"), LENIENT_READERS)];
}

/** Reads the value of `inputs`: the only input, or an object of inputs by their names. Throws as {@link readInstances}. */
export function readColumns(scanner: JsonScanner, target: Target): readonly Tensor[] {
  if (scanner.peek() !== OPEN_BRACE || isBase64Value(scanner, target)) {
    return [readTensor(scanner, "inputs", onlyInput(target, "inputs", "an object that names them"), LENIENT_READERS)];
  }
  const tensors: Tensor[] = [];
  scanner.readObject("inputs", (name) => {
    const spec = target.signature.inputs.find((input) => input.name === name);
    if (spec === undefined) throw unknownInput("inputs", name, target);
    tensors.push(readTensor(scanner, `input ${quoteName(name)}`, spec, LENIENT_READERS));
  });
  return tensors;
}

/**
 * Reads an array of objects, each with a row of every input. Throws ServingError, also if an object has not the same
 * inputs as those before.
 */
export function readRecords(
  scanner: JsonScanner,
  what: string,
  target: Target,
  readers: ElementReaders,
): readonly Tensor[] {
  const rows = new Map(target.signature.inputs.map((spec) => [spec.name, new TensorRows(spec, readers)]));
  const used = new Set<TensorRows>();
  scanner.readArray(what, (index) => {
    const place = `${what}[${index}]`;
    scanner.readObject(place, (name) => {
      const row = rows.get(name);
      if (row === undefined) throw unknownInput(place, name, target);
      if (index === 0) used.add(row);
      else if (!used.has(row)) throw unlikeFirst(place, used, `${quoteName(name)} too`);
      row.append(scanner);
    });
    for (const row of used) {
      if (row.count === index) throw unlikeFirst(place, used, `no ${quoteName(row.spec.name)}`);
    }
  });
  return [...used].map((row) => row.finish());
}

function unlikeFirst(place: string, used: ReadonlySet<TensorRows>, got: string): ServingError {
  const names = quoteNames([...used].map(({ spec }) => spec.name));
  return new ServingError("InvalidArgument", `${place}: expected ${names} as in the first, got ${got}`);
}

function isBase64Value(scanner: JsonScanner, target: Target): boolean {
  const inputs = requiredInputs(target);
  return inputs.length === 1 && inputs[0]?.datatype === "BYTES" && inputs[0].name !== "b64" && isBase64Next(scanner);
}

function onlyInput(target: Target, what: string, instead: string): TensorSpec {
  const inputs = requiredInputs(target);
  const [only] = inputs;
  if (only !== undefined && inputs.length === 1) return only;
  throw new ServingError(
    "InvalidArgument",
    `${what}: expected ${instead}, because the model has inputs ${quoteNames(inputs.map(({ name }) => name))}, got values alone`,
  );
}

function unknownInput(place: string, name: string, { signature }: Target): ServingError {
  const names = quoteNames(signature.inputs.map((input) => input.name));
  return new ServingError("InvalidArgument", `${place}: expected inputs ${names}, got ${quoteName(name)}`);
}
