/** Writes lines to a descriptor that may not accept them: the disk is full, or the reader has stalled or gone. */

/** How many bytes of lines may wait. Further lines are dropped and counted. */
export const MAX_PENDING_LOG_BYTES = 256 * 1024;
/** How often to retry a failed write. */
export const LOG_RETRY_MS = 500;

export interface LineWriterOptions {
  /** Writes as much as possible now, without waiting.
   *  @returns how many bytes were written
   *  @throws the system's error, for example EAGAIN, ENOSPC or EPIPE */
  readonly write: (bytes: Uint8Array) => number;
  /** Calls back once after `delayMs`. Must not keep the process alive. */
  readonly schedule: (delayMs: number, callback: () => void) => void;
  /** Returns the line, without its end, that reports lost lines once writing works again. */
  readonly describeLoss: (lines: number, cause: unknown) => string;
}

/** A bounded queue of lines in front of a descriptor.
 *
 *  A line is written at once if none waits before it, so that the last line before an exit is not lost. If the
 *  descriptor does not accept it, the line and those after it wait; each new line and a timer try again. When the queue
 *  is full further lines are dropped and counted, and the next line that is written says how many. The log and the
 *  error output share one writer for stderr. No failure of the descriptor ever reaches the caller: a program must not
 *  stop because nobody reads its output.
 *
 *  pino's own destination (sonic-boom) does not work here. In asynchronous mode it leaves a stalled write to a thread,
 *  for which `process.exit` then waits forever. In synchronous mode it stops the program until the reader reads or the
 *  disk has space. */
export class LineWriter {
  readonly #options: LineWriterOptions;
  /** Oldest first. The first may be the rest of a partly written line. */
  readonly #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #lostLines = 0;
  #lastError: unknown;
  #isScheduled = false;

  constructor(options: LineWriterOptions) {
    this.#options = options;
  }

  /** How many bytes wait to be written. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** @param line  without its end */
  write(line: string): void {
    this.flush();
    this.#append(line);
    this.flush();
  }

  /** Writes as much as possible now.
   *  @returns whether everything was written */
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
    // If lines were dropped, the report about them must come before any later line.
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

  /** @returns whether the descriptor accepted any part of the oldest line */
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
