import { randomBytes } from "node:crypto";
import { rm, type FileHandle } from "node:fs/promises";
import * as z from "zod";
import { createPrivateFile, openPrivateFile } from "../local-disk.ts";
import { systemErrorCode } from "../storage-failure.ts";
import { readSmallText } from "./small-file.ts";

const size = z.int().min(0);
const leaseText = z.object({
  /** Of the process that works. */
  token: z.string(),
  /** Counts up while it lives. */
  beat: size,
  bytesDone: size.optional(),
  bytesTotal: size.optional(),
  /** So many bytes its work may put into the cache. */
  reservedBytes: size.optional(),
});
/** What a lease says of the work that it stands for. */
export type LeaseText = z.infer<typeof leaseText>;
/** What its owner may say. */
export type LeaseNews = Pick<LeaseText, "bytesDone" | "bytesTotal" | "reservedBytes">;

/** The text always has this length, so that it is replaced by one write. */
const TEXT_BYTES = 256;

/** Reads a lease; undefined for anything else. */
export function parseLeaseText(text: string): LeaseText | undefined {
  try {
    return leaseText.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/**
 * A file by which a process says that it is at work: its text changes with every beat, so that others can tell the living from
 * the dead without comparing clocks or process ids. Disposing of it removes the file.
 */
export class Lease implements AsyncDisposable {
  readonly path: string;
  readonly #token = randomBytes(12).toString("hex");
  readonly #lost = new AbortController();
  #beat = 0;
  #news: LeaseNews = {};
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string) {
    this.path = path;
  }

  /** Creates the file; undefined if there is one already. Throws the system's error. */
  static async create(path: string, beatMs: number): Promise<Lease | undefined> {
    const lease = new Lease(path);
    let handle: FileHandle;
    try {
      handle = await createPrivateFile(path);
    } catch (error) {
      if (systemErrorCode(error) === "EEXIST") return undefined;
      throw error;
    }
    try {
      await handle.write(lease.#text(), 0, "utf8");
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    } finally {
      await handle.close();
    }
    lease.#timer = setInterval(() => void lease.beatNow(), beatMs);
    return lease;
  }

  /** Aborts when somebody took the owner for dead: what it was doing is another's by then. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** What others shall know; they see it with the next beat. */
  tell(news: LeaseNews): void {
    this.#news = { ...this.#news, ...news };
  }

  /** Says it now. */
  beatNow(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    // Of a lease that was lost there may be another by the same name.
    await this.beatNow();
    if (!this.#lost.signal.aborted) await rm(this.path, { force: true });
  }

  async #write(): Promise<void> {
    if (this.#lost.signal.aborted) return;
    try {
      // Opened every time: on network file systems that is when what others did is seen, and closing is when they see ours.
      const handle = await openPrivateFile(this.path, "write");
      try {
        const text = handle && (await readSmallText(handle));
        if (handle === undefined || text === undefined || parseLeaseText(text)?.token !== this.#token)
          return this.#lost.abort(new Error("the lease was taken over"));
        this.#beat += 1;
        await handle.write(this.#text(), 0, "utf8");
      } finally {
        await handle?.close();
      }
    } catch {
      // A disk that fails for a moment; one that fails for longer makes the lease stale, and then it is lost.
    }
  }

  #text(): string {
    const text: LeaseText = { token: this.#token, beat: this.#beat, ...this.#news };
    return `${JSON.stringify(text).padEnd(TEXT_BYTES - 1)}\n`;
  }
}
