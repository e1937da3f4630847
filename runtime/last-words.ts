import { accessSync, constants, writeFileSync } from "node:fs";
import type { ReplicaFailure } from "../common/admin-api.ts";

/** The kubelet keeps 4096 bytes; a character can take three of them, and JSON six for a control character. */
const LONGEST_MESSAGE = 600;

/**
 * Leaves why the process ends where the kubelet finds it. Only into a file that is there, as it is in a container; never
 * throws, since the process ends anyway and its log has the same.
 */
export function leaveLastWords(file: string, { reason, message }: ReplicaFailure): void {
  try {
    accessSync(file, constants.W_OK);
    const lastWords: ReplicaFailure = { reason, message: message.slice(0, LONGEST_MESSAGE) };
    writeFileSync(file, JSON.stringify(lastWords));
  } catch {
    // Not in a container.
  }
}
