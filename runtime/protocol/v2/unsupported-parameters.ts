import { ServingError } from "../../errors.ts";
import type { Parameters } from "../infer-request.ts";

/**
 * Parameters of the protocol's extensions that change what the answer means, so that ignoring them would be wrong.
 * Hints such as `priority`, and parameters that only a client's own model knows, are passed over.
 */
const UNSUPPORTED: Readonly<Record<string, string>> = {
  binary_data: "binary tensor data",
  binary_data_output: "binary tensor data",
  binary_data_size: "binary tensor data",
  classification: "the classification extension",
  sequence_id: "sequences of requests",
  sequence_start: "sequences of requests",
  sequence_end: "sequences of requests",
  shared_memory_region: "shared memory",
  shared_memory_offset: "shared memory",
  shared_memory_byte_size: "shared memory",
};

/** Throws ServingError (Unimplemented) if a parameter asks for what this server does not have. `where` is for the message. */
export function refuseUnsupported(where: string, parameters: Parameters): void {
  for (const [name, value] of Object.entries(parameters)) {
    if (!Object.hasOwn(UNSUPPORTED, name)) continue;
    // Clients write the defaults out: they ask for nothing.
    if (value === false || (value === 0 && name.startsWith("sequence_"))) continue;
    throw new ServingError(
      "Unimplemented",
      `${where}: this server does not have ${UNSUPPORTED[name]}: expected a request without ${name}, got one with it`,
    );
  }
}
