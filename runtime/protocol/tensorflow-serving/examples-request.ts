import type { Tensor } from "../../core/tensor.ts";
import { ServingError } from "../../errors.ts";
import { JsonScanner } from "../json/json-scanner.ts";
import { quoteName } from "../wording.ts";
import { LENIENT_READERS, skipLenient } from "./lenient-elements.ts";
import { fitInputs, readSignatureName, type Target } from "./predict-request.ts";
import { readRecordTable } from "./record-table.ts";

/**
 * Reads the body of a request to classify or to regress: `{"examples": [{feature: value}], "context": {feature: value}}`,
 * where every example has the features of the context too. Features are inputs, or the elements of the only input. Throws
 * ServingError (InvalidArgument).
 */
export function readExamplesRequest(body: Uint8Array, target: Target): readonly Tensor[] {
  const scanner = new JsonScanner(body);
  let examples: number | undefined;
  let shared: ReadonlyMap<string, number> | undefined;
  scanner.readObject("request", (key) => {
    if (key === "signature_name") readSignatureName(scanner);
    else if (key === "context") shared = readPositions(scanner);
    else {
      scanner.peek();
      if (key === "examples") examples = scanner.position;
      // What examples are is known only with their context.
      skipLenient(scanner, quoteName(key));
    }
  });
  scanner.expectEnd();
  if (examples === undefined) {
    throw new ServingError("InvalidArgument", 'request: expected "examples" (an array of objects), got none');
  }
  scanner.position = examples;
  const table = { what: "examples", target, readers: LENIENT_READERS, ...(shared !== undefined && { shared }) };
  return fitInputs(readRecordTable(scanner, table), target);
}

/** Where the values of an object are, by their keys. */
function readPositions(scanner: JsonScanner): ReadonlyMap<string, number> {
  const positions = new Map<string, number>();
  scanner.readObject("context", (key) => {
    scanner.peek();
    positions.set(key, scanner.position);
    skipLenient(scanner, "context");
  });
  return positions;
}
