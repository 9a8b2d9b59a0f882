/** A crypto suite that shows transport messages while they are open, for tools that show a running tunnel. It never
 *  shows a key. */
import {
  type Aead,
  type CryptoSuite,
  HEADER_BYTES,
  readUint32,
  TAG_BYTES,
  TransportOffset,
} from '@underpass/protocol';

export type Direction = 'sent' | 'received';

export interface MessageWatch {
  /** Asked about each transport message, so it must be quick.
   *  @param receiverIndex  which identifies the keypair */
  wants(direction: Direction, receiverIndex: number): boolean;
  /** Called with a message for which `wants` returned true.
   *  @param message  a whole transport message (spec wire 2.5) whose payload is plaintext. The 16 bytes of its tag mean
   *    nothing. It is valid only during the call */
  onMessage(direction: Direction, message: Uint8Array): void;
}

/** Returns a suite that does the same, and shows to `watch` what its keys seal and open. Handshakes, which seal with
 *  additional data, are not shown. A message that does not authenticate is not shown either; one that repeats an
 *  earlier counter is, because its key opens it. */
export function watchedSuite(suite: CryptoSuite, watch: MessageWatch): CryptoSuite {
  return { ...suite, aead: (key) => new WatchedAead(suite.aead(key), watch) };
}

class WatchedAead implements Aead {
  readonly #aead: Aead;
  readonly #watch: MessageWatch;

  constructor(aead: Aead, watch: MessageWatch) {
    this.#aead = aead;
    this.#watch = watch;
  }

  seal(
    high: number,
    low: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
    additional?: Uint8Array,
  ): void {
    if (additional === undefined && this.#watch.wants('sent', receiverIndex(buffer, offset))) {
      const end = offset + length + TAG_BYTES;
      this.#watch.onMessage('sent', buffer.subarray(offset - HEADER_BYTES, end));
    }
    this.#aead.seal(high, low, buffer, offset, length, additional);
  }

  open(
    high: number,
    low: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
    additional?: Uint8Array,
  ): boolean {
    const isOpen = this.#aead.open(high, low, buffer, offset, length, additional);
    if (isOpen && additional === undefined && this.#watch.wants('received', receiverIndex(buffer, offset))) {
      this.#watch.onMessage('received', buffer.subarray(offset - HEADER_BYTES, offset + length));
    }
    return isOpen;
  }

  destroy(): void {
    this.#aead.destroy();
  }
}

/** The header is in front of the payload already when it is sealed, and still when it is opened. */
function receiverIndex(buffer: Uint8Array, payloadOffset: number): number {
  return readUint32(buffer, payloadOffset - HEADER_BYTES + TransportOffset.receiverIndex);
}
