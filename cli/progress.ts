import type { WriteStream } from "node:tty";
import type { ReplicaState } from "../common/admin-api.ts";

const CLEAR_LINE = "\r\u001b[K";

/** Where progress is shown. */
export type ProgressStream = Pick<WriteStream, "write"> & { readonly isTTY?: boolean };

/** Shows how far a replica is: one line that changes on a terminal, a line for each change elsewhere. */
export class Progress {
  readonly #out: ProgressStream;
  #shown = "";

  constructor(out: ProgressStream) {
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

/** On a terminal the line of long work changes so often, elsewhere there is a new one. */
const TERMINAL_INTERVAL_MS = 100;
const PLAIN_INTERVAL_MS = 10_000;

/** One line that changes on a terminal, a line now and then elsewhere; nothing of what is soon over. */
class PacedLine {
  readonly #out: ProgressStream;
  readonly #now: () => number;
  readonly #startMs: number;
  #shownMs: number;
  #isShown = false;

  constructor(out: ProgressStream, now: () => number) {
    this.#out = out;
    this.#now = now;
    this.#startMs = now();
    this.#shownMs = this.#startMs;
  }

  show(textAfter: (elapsedMs: number) => string): void {
    const nowMs = this.#now();
    const isTerminal = this.#out.isTTY === true;
    if (nowMs - this.#shownMs < (isTerminal ? TERMINAL_INTERVAL_MS : PLAIN_INTERVAL_MS)) return;
    this.#shownMs = nowMs;
    this.#isShown = true;
    const text = textAfter(nowMs - this.#startMs);
    this.#out.write(isTerminal ? `${CLEAR_LINE}${text}` : `${text}\n`);
  }

  /** Clears the line. */
  end(): void {
    if (this.#isShown && this.#out.isTTY === true) this.#out.write(CLEAR_LINE);
    this.#isShown = false;
  }
}

const processClock = (): number => performance.now();

/** Shows how far an upload or a download is. */
export class TransferProgress {
  readonly #line: PacedLine;
  readonly #word: string;

  /** `word` is what is being done, such as "uploading". `now` is a clock in ms, that of the process by default. */
  constructor(out: ProgressStream, word: string, now: () => number = processClock) {
    this.#line = new PacedLine(out, now);
    this.#word = word;
  }

  show(bytesDone: number, bytesTotal: number | undefined): void {
    this.#line.show((elapsedMs) => transferText(this.#word, bytesDone, bytesTotal, elapsedMs));
  }

  /** Clears the line. */
  end(): void {
    this.#line.end();
  }
}

/** Shows how many rows were worked on, of a number that is not known before. */
export class RowProgress implements Disposable {
  readonly #line: PacedLine;
  readonly #word: string;

  /** As of {@link TransferProgress}. */
  constructor(out: ProgressStream, word: string, now: () => number = processClock) {
    this.#line = new PacedLine(out, now);
    this.#word = word;
  }

  show(rows: number): void {
    this.#line.show((elapsedMs) => {
      const rate = Math.round((rows / Math.max(1, elapsedMs)) * 1000);
      return `${this.#word}: ${rows.toLocaleString("en")} rows, ${rate.toLocaleString("en")} a second`;
    });
  }

  /** Clears the line. */
  [Symbol.dispose](): void {
    this.#line.end();
  }
}

/** `uploading 12.0 MB of 48.0 MB (25 %), 4.0 MB/s, 9 s left`. */
export function transferText(
  word: string,
  bytesDone: number,
  bytesTotal: number | undefined,
  elapsedMs: number,
): string {
  const rate = elapsedMs > 0 ? (bytesDone / elapsedMs) * 1000 : 0;
  const speed = rate > 0 ? `, ${bytesText(Math.round(rate))}/s` : "";
  if (bytesTotal === undefined) return `${word} ${bytesText(bytesDone)}${speed}`;
  const percent = bytesTotal === 0 ? 100 : Math.floor((bytesDone / bytesTotal) * 100);
  const left = rate > 0 ? `, ${Math.ceil((bytesTotal - bytesDone) / rate)} s left` : "";
  return `${word} ${bytesText(bytesDone)} of ${bytesText(bytesTotal)} (${percent} %)${speed}${left}`;
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
