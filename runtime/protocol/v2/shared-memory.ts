import { ServingError } from "../../errors.ts";
import type { Parameters } from "../infer-request.ts";

/**
 * Throws ServingError (InvalidArgument) if a tensor is said to be in shared memory: no region can be registered here, so
 * that there is none of that name. `where` is the tensor, for the message.
 */
export function refuseSharedMemory(where: string, parameters: Parameters): void {
  if (parameters["shared_memory_region"] === undefined) return;
  throw new ServingError(
    "InvalidArgument",
    `${where}: expected data in the request, got a region of shared memory, which this server does not have`,
  );
}
