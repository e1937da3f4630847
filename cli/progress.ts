import type { WriteStream } from "node:tty";
import type { ReplicaState } from "../common/admin-api.ts";

const CLEAR_LINE = "\r\u001b[K";

/** Shows how far a replica is: one line that changes on a terminal, a line for each change elsewhere. */
export class Progress {
  readonly #out: Pick<WriteStream, "write"> & { readonly isTTY?: boolean };
  #shown = "";

  constructor(out: Pick<WriteStream, "write"> & { readonly isTTY?: boolean }) {
    this.#out = out;
  }

  show(state: ReplicaState): void {
    const text = progressOf(state, this.#out.isTTY === true);
    if (text === this.#shown || text === "") return;
    this.#shown = text;
    this.#out.write(this.#out.isTTY === true ? `${CLEAR_LINE}${text}` : `${text}\n`);
  }

  /** Clears the line. */
  end(): void {
    if (this.#out.isTTY === true) this.#out.write(CLEAR_LINE);
  }
}

const WORDS: Readonly<Partial<Record<ReplicaState["phase"], string>>> = {
  Starting: "looking for versions",
  Fetching: "fetching",
  Loading: "loading",
  WarmingUp: "warming up",
};

/** What is being done, in words; empty when nothing is. */
export function progressOf(state: ReplicaState, isDetailed: boolean): string {
  const word = WORDS[state.phase];
  if (word === undefined) return "";
  const downloads = state.models.flatMap(({ name, loading }) => (loading === undefined ? [] : [{ name, ...loading }]));
  if (!isDetailed || downloads.length === 0) return `${word} …`;
  const parts = downloads.map(({ name, version, bytesDone, bytesTotal }) => {
    const amount =
      bytesTotal === undefined ? bytesText(bytesDone) : `${bytesText(bytesDone)} of ${bytesText(bytesTotal)}`;
    return `${name} version ${version}: ${amount}`;
  });
  return `${word} ${parts.join(", ")} …`;
}

/** 1234567 as 1.2 MB. */
export function bytesText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  const value = bytes / 1000 ** power;
  return `${power === 0 ? value : value.toFixed(1)} ${units[power] ?? ""}`;
}
