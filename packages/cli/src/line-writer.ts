/** Writes lines to a descriptor that may be unable to take them: a full disk, a reader that stalls or has gone away. */

/** Lines that wait for a reader, in bytes; whatever comes beyond is counted and lost. */
export const MAX_PENDING_LOG_BYTES = 256 * 1024;
/** How often a failed write is tried again. */
export const LOG_RETRY_MS = 500;

export interface LineWriterOptions {
  /** Writes what it can now and never waits.
   *  @returns how many bytes were taken
   *  @throws the system's error: EAGAIN, ENOSPC, EPIPE, … */
  readonly write: (bytes: Uint8Array) => number;
  /** Calls back once after `delayMs`. Must not keep the process alive. */
  readonly schedule: (delayMs: number, callback: () => void) => void;
  /** The line that says how many were lost, once lines can be written again. Without its line end. */
  readonly describeLoss: (lines: number, cause: unknown) => string;
}

/** A queue with a bound in front of a descriptor.
 *
 *  A line is written at once if nothing waits before it, so that the last line before an exit is not lost. If the
 *  descriptor cannot take it, for whatever reason, the line waits, and so do those behind it: they are tried again with
 *  each new line and every `LOG_RETRY_MS`. When `MAX_PENDING_LOG_BYTES` wait, further lines are lost and counted, and
 *  the first line to be written after that says how many. No failure of the descriptor ever reaches the caller: a
 *  program does not stop working because nobody can read what it says.
 *
 *  pino's own destination (sonic-boom) does not fit: asynchronous, it leaves a stalled write to a thread for which
 *  `process.exit` then waits without end; synchronous, it stops the program until the reader reads or the disk has
 *  room. */
export class LineWriter {
  readonly #options: LineWriterOptions;
  /** Oldest first; the first may be the rest of a line of which a part was written. */
  readonly #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #lostLines = 0;
  #lastError: unknown;
  #isScheduled = false;

  constructor(options: LineWriterOptions) {
    this.#options = options;
  }

  /** What waits to be written. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** @param line  without its line end */
  write(line: string): void {
    this.flush();
    this.#append(line);
    this.flush();
  }

  /** Writes what can be written now.
   *  @returns whether nothing is left */
  flush(): boolean {
    while (this.#pendingBytes > 0 || this.#lostLines > 0) {
      if (this.#pendingBytes === 0) this.#appendLossLine();
      if (!this.#writeFirst()) {
        this.#retryLater();
        return false;
      }
    }
    return true;
  }

  #append(line: string): void {
    const bytes = Buffer.from(`${line}\n`);
    // Lines in between are missing already: a later one must not stand before the line that says so.
    if (this.#lostLines > 0 || this.#pendingBytes + bytes.length > MAX_PENDING_LOG_BYTES) {
      this.#lostLines++;
      return;
    }
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
  }

  #appendLossLine(): void {
    const lines = this.#lostLines;
    this.#lostLines = 0;
    this.#append(this.#options.describeLoss(lines, this.#lastError));
  }

  /** @returns whether the descriptor took anything of the oldest line */
  #writeFirst(): boolean {
    const [bytes] = this.#pending;
    if (bytes === undefined) return false;
    try {
      const count = this.#options.write(bytes);
      this.#pendingBytes -= count;
      if (count === bytes.length) this.#pending.shift();
      else this.#pending[0] = bytes.subarray(count);
      return count > 0;
    } catch (error) {
      this.#lastError = error;
      return false;
    }
  }

  #retryLater(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#options.schedule(LOG_RETRY_MS, () => {
      this.#isScheduled = false;
      this.flush();
    });
  }
}
