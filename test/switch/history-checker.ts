/** A request that was answered, as its client saw it. Times are of one clock. */
export interface Answered {
  readonly sendMs: number;
  readonly receiveMs: number;
  /** Which of the epochs, in the order in which they were switched to, answered. */
  readonly epoch: number;
  /** Which replica answered, by a number that whoever writes the history knows. */
  readonly replica: number;
}

/** Two requests, the later of which was answered by what the earlier one's answer had replaced. */
export interface Violation {
  readonly earlier: Answered;
  readonly later: Answered;
}

/** A history in columns, for millions of requests. */
export interface History {
  readonly sendMs: Float64Array;
  readonly receiveMs: Float64Array;
  readonly epochs: Uint32Array;
  readonly replicas: Uint16Array;
  readonly length: number;
}

/**
 * Looks for requests r2 that were sent after the answer r1 of a later epoch had been received by anybody: receive(r1) <
 * send(r2) and epoch(r2) < epoch(r1). There are none if the active version behaves as one linearizable register. Takes n log n;
 * each r2 is told once, with the r1 of the latest epoch.
 */
export function findViolations(history: History, limit = 10): { readonly count: number; readonly first: Violation[] } {
  const { sendMs, receiveMs, epochs, replicas, length } = history;
  const at = (index: number): Answered => ({
    sendMs: sendMs[index] ?? 0,
    receiveMs: receiveMs[index] ?? 0,
    epoch: epochs[index] ?? 0,
    replica: replicas[index] ?? 0,
  });
  const bySend = Uint32Array.from({ length }, (_, index) => index).sort((a, b) => (sendMs[a] ?? 0) - (sendMs[b] ?? 0));
  const byReceive = bySend.slice().sort((a, b) => (receiveMs[a] ?? 0) - (receiveMs[b] ?? 0));
  const first: Violation[] = [];
  let count = 0;
  let received = 0;
  let latest: Answered | undefined;
  for (const index of bySend) {
    const later = at(index);
    for (; received < length; received++) {
      const earlier = at(byReceive[received] ?? 0);
      if (earlier.receiveMs >= later.sendMs) break;
      if (latest === undefined || earlier.epoch > latest.epoch) latest = earlier;
    }
    if (latest === undefined || later.epoch >= latest.epoch) continue;
    count++;
    if (first.length < limit) first.push({ earlier: latest, later });
  }
  return { count, first };
}

/** A history that grows. */
export class Recorder implements History {
  sendMs = new Float64Array(1 << 16);
  receiveMs = new Float64Array(1 << 16);
  epochs = new Uint32Array(1 << 16);
  replicas = new Uint16Array(1 << 16);
  length = 0;

  add({ sendMs, receiveMs, epoch, replica }: Answered): void {
    if (this.length === this.epochs.length) this.#grow();
    this.sendMs[this.length] = sendMs;
    this.receiveMs[this.length] = receiveMs;
    this.replicas[this.length] = replica;
    this.epochs[this.length++] = epoch;
  }

  #grow(): void {
    const { sendMs, receiveMs, epochs, replicas } = this;
    this.sendMs = new Float64Array(2 * this.length);
    this.receiveMs = new Float64Array(2 * this.length);
    this.epochs = new Uint32Array(2 * this.length);
    this.sendMs.set(sendMs);
    this.receiveMs.set(receiveMs);
    this.epochs.set(epochs);
    this.replicas = new Uint16Array(2 * this.length);
    this.replicas.set(replicas);
  }
}
