import { createHash, randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { systemErrorCode } from "./storage-failure.ts";

/** A partial download's folder name, taken apart: `VERSION~HOST~PID~TOKEN`. */
export interface PartialName {
  readonly version: number;
  readonly host: string;
  readonly pid: number;
  /** Differs from one process to the next, so that a process does not take its predecessor of the same id for itself. */
  readonly token: string;
}

const host = createHash("sha256").update(hostname()).digest("hex").slice(0, 12);
const token = randomBytes(6).toString("hex");
let counter = 0;
/** In place of a process id. */
const NOBODY = 0;

/** A new name for a partial download of this process. */
export function newPartialName(version: number): string {
  counter += 1;
  return `${version}~${host}~${process.pid}~${token}.${counter}`;
}

/** A new name for a partial download that this process has given up: anybody may go on with it. */
export function releasedPartialName(version: number): string {
  counter += 1;
  return `${version}~${host}~${NOBODY}~${token}.${counter}`;
}

/** Undefined for names that are not ours. */
export function parsePartialName(name: string): PartialName | undefined {
  const match = /^(\d{1,16})~([0-9a-f]{12})~(\d{1,10})~([0-9a-f]{12})\.\d{1,10}$/.exec(name);
  if (match === null) return undefined;
  const [, version = "", onHost = "", pid = "", ofToken = ""] = match;
  return { version: Number(version), host: onHost, pid: Number(pid), token: ofToken };
}

/**
 * Whether the process that made a partial download has ended for certain. A container that restarts keeps its host
 * name; of another host's processes, which may share the folder, nothing can be said.
 */
export function isAbandoned(name: PartialName): boolean {
  if (name.pid === NOBODY) return true;
  if (name.host !== host) return false;
  if (name.pid === process.pid) return name.token !== token;
  try {
    process.kill(name.pid, 0);
    return false;
  } catch (error) {
    return systemErrorCode(error) === "ESRCH";
  }
}
