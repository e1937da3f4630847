import type { Socket } from "node:net";
import type { Clock } from "../controller/clock.ts";
import { CLIENT_PREFACE, EARLY_SETTINGS, WithoutFirstAcknowledgement } from "./early-settings.ts";
import { refusalAnswer, type Refusal } from "./refusal.ts";

/** What of a request is read while nobody can answer it, in bytes; the rest waits in the client's own buffers. */
const MAX_HELD_BYTES = 8 * 1024;
/** How long, in ms, a client that is refused may take to say what it wants, and to read why not. */
const REFUSAL_MS = 1_000;

export interface HeldConnectionEvents {
  /** The client has sent something: it wants an answer. Called once, and not for a connection that stays silent. */
  asked(): void;
  /** The connection is over, or was closed by its client before it was passed on. Called once. */
  over(): void;
}

/**
 * A client's connection, from its acceptance to its end: held, then passed on to a replica or refused. What the client has
 * sent meanwhile is kept, up to a bound, and comes first.
 */
export class HeldConnection {
  readonly #client: Socket;
  readonly #events: HeldConnectionEvents;
  readonly #clock: Clock;
  #head: Buffer[] = [];
  #bytes = 0;
  #hasEnded = false;
  #isPassedOn = false;
  #isOver = false;
  /** The client was told settings in the replica's place. */
  #wasGreeted = false;

  constructor(client: Socket, events: HeldConnectionEvents, clock: Clock) {
    this.#client = client;
    this.#events = events;
    this.#clock = clock;
    client.on("data", this.#onData);
    client.on("end", this.#onEnd);
    // What becomes of it is told by `close`.
    client.on("error", () => {});
    client.on("close", () => {
      this.#isOver = true;
      this.#head = [];
      events.over();
    });
    client.resume();
  }

  /** Whether the client has sent something. */
  get hasAsked(): boolean {
    return this.#bytes > 0;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Passes it on to a replica: both directions, each with its own end, as fast as the slower side. */
  passTo(replica: Socket): void {
    const client = this.#client;
    this.#stopReading();
    this.#isPassedOn = true;
    join(client, replica);
    const way = this.#wasGreeted ? new WithoutFirstAcknowledgement() : replica;
    if (way !== replica) way.pipe(replica);
    for (const chunk of this.#head) way.write(chunk);
    this.#head = [];
    if (this.#hasEnded) way.end();
    else client.pipe(way);
    replica.pipe(client);
  }

  /** Says why not, to whoever speaks HTTP/1.1 and has begun to; then, or to all others, it is closed. */
  refuse(refusal: Refusal): void {
    if (this.#isOver || this.#isPassedOn) return;
    const client = this.#client;
    const cancel = this.#clock.schedule(REFUSAL_MS, () => client.destroy());
    client.once("close", cancel);
    if (this.#bytes > 0) {
      this.#answer(refusal);
      return;
    }
    client.off("data", this.#onData);
    client.once("data", (chunk: Buffer) => {
      this.#head.push(chunk);
      this.#answer(refusal);
    });
  }

  /** Closes it without a word. */
  drop(): void {
    this.#client.destroy();
  }

  #answer(refusal: Refusal): void {
    const answer = refusalAnswer(Buffer.concat(this.#head), refusal);
    this.#stopReading();
    if (answer === undefined) {
      this.#client.destroy();
      return;
    }
    // To close while something is unread would take the answer back, so what still comes is read, for a moment.
    this.#client.on("end", () => this.#client.destroy());
    this.#client.resume();
    this.#client.end(answer);
    if (this.#hasEnded) this.#client.destroySoon();
  }

  readonly #onData = (chunk: Buffer): void => {
    const isFirst = this.#bytes === 0;
    this.#head.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes >= MAX_HELD_BYTES) this.#client.pause();
    this.#greet();
    if (isFirst) this.#events.asked();
  };

  /** Whoever speaks HTTP/2 waits for the settings of the other side, and not for as long as a cold start may take. */
  #greet(): void {
    if (this.#wasGreeted || this.#bytes < CLIENT_PREFACE.length) return;
    const begin = Buffer.concat(this.#head).subarray(0, CLIENT_PREFACE.length);
    if (!begin.equals(CLIENT_PREFACE)) return;
    this.#wasGreeted = true;
    this.#client.write(EARLY_SETTINGS);
  }

  readonly #onEnd = (): void => {
    this.#hasEnded = true;
    // Whoever ends without having asked wants nothing.
    if (this.#bytes === 0) this.#client.destroy();
  };

  #stopReading(): void {
    this.#client.pause();
    this.#client.off("data", this.#onData);
    this.#client.off("end", this.#onEnd);
  }
}

/** Lets two sockets end together: a side that breaks off breaks off the other one too. */
function join(client: Socket, replica: Socket): void {
  replica.on("error", () => {});
  client.once("close", (hadError) => endWith(replica, hadError));
  replica.once("close", (hadError) => endWith(client, hadError));
}

function endWith(other: Socket, hadError: boolean): void {
  if (other.destroyed) return;
  if (hadError) other.resetAndDestroy();
  // What was piped into it is still to be sent.
  else other.destroySoon();
}
