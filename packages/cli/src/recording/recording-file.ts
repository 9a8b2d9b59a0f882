import { close, ftruncate, ftruncateSync, write } from 'node:fs';

/** The largest file, 1 GiB: about a million datagrams. */
export const MAX_RECORDING_BYTES = 2 ** 30;
/** How many bytes may wait for the disk. */
export const MAX_WAITING_BYTES = 16 * 2 ** 20;

export interface RecordingFileOptions {
  /** A descriptor that is open for writing. This object closes it. */
  readonly file: number;
  /** Keeps the file as it is until `begin` is called. */
  readonly isHeld?: boolean;
  /** Called once when nothing more is written: with an error of the system, or undefined when the file has reached its
   *  limit. */
  readonly onStopped: (error: Error | undefined) => void;
  readonly limitBytes?: number;
  readonly waitingLimitBytes?: number;
}

/** Writes a file piece by piece without ever making its caller wait.
 *
 *  The pieces are written in their order, one system call at a time; what comes meanwhile waits. Three things are
 *  bounded. When too many bytes wait, because the disk is slower than the tunnel, further pieces are refused until some
 *  have been written. When the file reaches its limit, or the system reports an error such as a full disk, the file ends
 *  for good, behind a whole piece.
 *
 *  A held file may have an older recording, or be that of another process. Nothing touches it until `begin`. */
export class RecordingFile {
  readonly #options: RecordingFileOptions;
  readonly #limitBytes: number;
  readonly #waitingLimitBytes: number;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  /** Up to the end of a piece. */
  #writtenBytes = 0;
  /** Including what waits. */
  #totalBytes = 0;
  #isWriting = false;
  #isHeld: boolean;
  #isStopped = false;
  #isClosing = false;
  #onIdle: (() => void) | undefined;

  constructor(options: RecordingFileOptions) {
    this.#options = options;
    this.#isHeld = options.isHeld ?? false;
    this.#limitBytes = options.limitBytes ?? MAX_RECORDING_BYTES;
    this.#waitingLimitBytes = options.waitingLimitBytes ?? MAX_WAITING_BYTES;
  }

  /** Empties a held file, and writes what waits.
   *  @throws the system's error */
  begin(): void {
    ftruncateSync(this.#options.file);
    this.#isHeld = false;
    this.#writeNext();
  }

  /** Takes a piece, which must not change any more.
   *  @returns false if it is not written, now or ever */
  append(piece: Uint8Array): boolean {
    if (this.#isStopped || this.#isClosing) return false;
    if (this.#waitingBytes + piece.length > this.#waitingLimitBytes) return false;
    if (this.#totalBytes + piece.length > this.#limitBytes) {
      this.#stop(undefined);
      return false;
    }
    this.#totalBytes += piece.length;
    this.#waitingBytes += piece.length;
    this.#waiting.push(piece);
    this.#writeNext();
    return true;
  }

  /** Resolves when everything is written, or has failed, and the file is closed. Nothing may be appended after it. If the
   *  last pieces cannot be written, `onStopped` is called first. A held file stays as it is. */
  async close(): Promise<void> {
    this.#isClosing = true;
    if (this.#isWriting) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    await new Promise((resolve) => close(this.#options.file, resolve));
  }

  #writeNext(): void {
    if (this.#isWriting || this.#isHeld) return;
    if (this.#waiting.length === 0) {
      this.#onIdle?.();
      return;
    }
    const bytes = Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#isWriting = true;
    this.#write(bytes, 0);
  }

  /** The system may take only a part, for example the last free bytes of a disk. */
  #write(bytes: Buffer, offset: number): void {
    write(this.#options.file, bytes, offset, bytes.length - offset, null, (error, count) => {
      if (error === null && offset + count < bytes.length) {
        this.#write(bytes, offset + count);
        return;
      }
      this.#waitingBytes -= bytes.length;
      if (error === null) {
        this.#writtenBytes += bytes.length;
        this.#isWriting = false;
        this.#writeNext();
      } else this.#fail(error);
    });
  }

  /** Cuts off what was written of an incomplete piece. */
  #fail(error: Error): void {
    this.#stop(error);
    ftruncate(this.#options.file, this.#writtenBytes, () => {
      this.#waiting = [];
      this.#isWriting = false;
      this.#writeNext();
    });
  }

  #stop(error: Error | undefined): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#options.onStopped(error);
  }
}
