/** The keys of one session and their counters (spec session 2, 3). */
import { assert } from '../assert.js';
import { wipe } from '../crypto/bytes.js';
import type { Aead, CryptoSuite } from '../crypto/suite.js';
import type { DropReason } from '../failure.js';
import { readUint32, writeUint32 } from '../little-endian.js';
import { REJECT_AFTER_TIME_MS, REJECT_SEND_AFTER_MESSAGES, REKEY_AFTER_MESSAGES } from './constants.js';
import { MessageType, MIN_TRANSPORT_BYTES, TransportOffset, TYPE_OFFSET } from './messages.js';
import { ReplayWindow } from './replay-window.js';
import type { TransportKeys } from './response.js';

const TWO_32 = 2 ** 32;

export interface KeypairOptions {
  /** Counts up over all keypairs of the process. */
  readonly id: number;
  readonly createdAt: number;
  readonly isInitiator: boolean;
  readonly localIndex: number;
  readonly remoteIndex: number;
  /** The first counter to send with: 0, unless somebody wants to see the end of counting. */
  readonly firstCounter?: number;
}

export class Keypair {
  readonly id: number;
  readonly createdAt: number;
  readonly isInitiator: boolean;
  readonly localIndex: number;
  readonly remoteIndex: number;
  readonly #sending: Aead;
  readonly #receiving: Aead;
  readonly #replays = new ReplayWindow();
  /** The next counter to send with. */
  #sent: number;

  /** Takes the keys and wipes them. */
  constructor(suite: CryptoSuite, keys: TransportKeys, options: KeypairOptions) {
    this.id = options.id;
    this.createdAt = options.createdAt;
    this.isInitiator = options.isInitiator;
    this.localIndex = options.localIndex;
    this.remoteIndex = options.remoteIndex;
    this.#sent = options.firstCounter ?? 0;
    this.#sending = suite.aead(keys.send);
    this.#receiving = suite.aead(keys.receive);
    wipe(keys.send, keys.receive);
  }

  /** spec session 5.1 */
  get expiresAt(): number {
    return this.createdAt + REJECT_AFTER_TIME_MS;
  }
  isExpired(now: number): boolean {
    return now >= this.expiresAt;
  }
  canSend(now: number): boolean {
    return !this.isExpired(now) && this.#sent < REJECT_SEND_AFTER_MESSAGES;
  }
  /** spec session 3.2, 5.2: so many packets went out that a successor is due. */
  get isWornOut(): boolean {
    return this.#sent > REKEY_AFTER_MESSAGES;
  }

  /** Makes a transport message of the `length` bytes of plaintext at `offset + 16`, padding included.
   *  @returns the length of the datagram that begins at `offset` */
  seal(buffer: Uint8Array, offset: number, length: number): number {
    assert(this.#sent < REJECT_SEND_AFTER_MESSAGES, 'no counter is left');
    const high = Math.floor(this.#sent / TWO_32);
    const low = this.#sent % TWO_32;
    this.#sent++;
    writeUint32(buffer, offset + TYPE_OFFSET, MessageType.transport);
    writeUint32(buffer, offset + TransportOffset.receiverIndex, this.remoteIndex);
    writeUint32(buffer, offset + TransportOffset.counterLow, low);
    writeUint32(buffer, offset + TransportOffset.counterHigh, high);
    this.#sending.seal(high, low, buffer, offset + TransportOffset.payload, length);
    return length + MIN_TRANSPORT_BYTES;
  }

  /** Opens a transport message in place; its plaintext then lies behind the header, without the tag.
   *  @returns why it is dropped, or undefined */
  open(now: number, datagram: Uint8Array): DropReason | undefined {
    if (this.isExpired(now)) return 'expired-keypair';
    const low = readUint32(datagram, TransportOffset.counterLow);
    const high = readUint32(datagram, TransportOffset.counterHigh);
    const sealedBytes = datagram.length - TransportOffset.payload;
    if (!this.#receiving.open(high, low, datagram, TransportOffset.payload, sealedBytes)) {
      return 'authentication-failed';
    }
    return this.#replays.accept(high, low) ? undefined : 'replayed-counter';
  }

  /** The datagram opened last has the greatest counter so far. */
  get hasOpenedNewest(): boolean {
    return this.#replays.isNewest;
  }

  destroy(): void {
    this.#sending.destroy();
    this.#receiving.destroy();
  }
}
