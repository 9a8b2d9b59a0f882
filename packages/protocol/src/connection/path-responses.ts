/** Answers to PATH_CHALLENGE that wait for a packet (spec streams 2.4). */
import { copyBytes } from '../copy-bytes.js';
import { MAX_PATH_RESPONSES } from '../transport-constants.js';

export class PathResponses {
  readonly #waiting: Uint8Array[] = [];

  /** @param data the 8 bytes of the challenge; copied */
  add(data: Uint8Array): void {
    this.#waiting.push(copyBytes(data));
    if (this.#waiting.length > MAX_PATH_RESPONSES) this.#waiting.shift();
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  take(): Uint8Array | undefined {
    return this.#waiting.shift();
  }
}
