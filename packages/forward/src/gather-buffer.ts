/** The memory in which the bytes of a stream are gathered on their way to a socket. */
import { GATHER_BYTES } from './forward-constants.js';

/** One buffer that all pumps of the process use, one after the other.
 *
 *  A pump takes it, fills it from a stream, and writes it to its socket. Usually the system takes all of it at once, and
 *  the pump gives it back. Otherwise the socket keeps it until the system has room, and the next pump gets a new one.
 *  So fast transfers allocate nothing, and idle ones hold nothing. */
class GatherBuffer {
  #spare: Uint8Array | undefined;

  /** @returns GATHER_BYTES bytes with arbitrary contents */
  take(): Uint8Array {
    const bytes = this.#spare ?? new Uint8Array(GATHER_BYTES);
    this.#spare = undefined;
    return bytes;
  }

  /** @param bytes  nobody refers to them any more */
  giveBack(bytes: Uint8Array): void {
    this.#spare = bytes;
  }
}

export const gatherBuffer = new GatherBuffer();
