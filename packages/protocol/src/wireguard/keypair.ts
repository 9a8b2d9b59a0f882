import type { Address } from '../address.js';
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
  /** Ids rise over all keypairs of one WireGuard. */
  readonly id: number;
  /** Monotonic milliseconds. */
  readonly createdAt: number;
  /** Whether we initiated the handshake. */
  readonly isInitiator: boolean;
  /** The receiver index of messages to us. */
  readonly localIndex: number;
  /** The receiver index of messages to the peer. */
  readonly remoteIndex: number;
  /** The first counter to send with, 0 by default. Tests set it to reach the end of the counters. */
  readonly firstCounter?: number;
}

/** The result of a handshake: a sending key and a receiving key, with the counters of both (spec session 2, 3, 4).
 *
 *  It owns the two AEADs, the counter of the next message to send, and the replay window of messages received. It seals
 *  and opens transport messages, and knows whether it may still be used. It does not know its slot: KeypairSlots
 *  decides which keypair is used for sending. It sets no timer and starts no handshake: Session asks for its age and
 *  counter, and decides. */
export class Keypair {
  readonly id: number;
  readonly createdAt: number;
  readonly isInitiator: boolean;
  readonly localIndex: number;
  readonly remoteIndex: number;
  /** Where our message of the handshake went (spec path 2). The session sets it. */
  reachedAt: Address | undefined;
  readonly #sending: Aead;
  readonly #receiving: Aead;
  readonly #replays = new ReplayWindow();
  /** The next counter to send with. */
  #sent: number;

  /** @param keys 32 bytes each; wiped once the suite has its copies */
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

  /** When the keypair may no longer be used (spec session 5.1). */
  get expiresAt(): number {
    return this.createdAt + REJECT_AFTER_TIME_MS;
  }
  /** The counter of the next message that is sealed. */
  get nextCounter(): number {
    return this.#sent;
  }
  isExpired(now: number): boolean {
    return now >= this.expiresAt;
  }
  canSend(now: number): boolean {
    return !this.isExpired(now) && this.#sent < REJECT_SEND_AFTER_MESSAGES;
  }
  /** Enough messages were sent under this keypair that the next handshake is due (spec session 3.2, 5.2). */
  get isWornOut(): boolean {
    return this.#sent > REKEY_AFTER_MESSAGES;
  }

  /** Makes a transport message in place.
   *  @param buffer holds the plaintext at `offset + 16`, and has room for the 16-byte tag behind it
   *  @param length of the plaintext, including its padding
   *  @returns the length of the datagram, which begins at `offset` */
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

  /** Opens a transport message in place, and then checks its counter against the replay window.
   *  @param datagram a whole message 4; on success the plaintext is between its 16-byte header and its 16-byte tag
   *  @returns why the message is dropped, or undefined */
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

  /** Whether the last message that was opened has the greatest counter so far. */
  get hasOpenedNewest(): boolean {
    return this.#replays.isNewest;
  }

  /** Wipes both keys. Nothing can be sealed or opened after it. */
  destroy(): void {
    this.#sending.destroy();
    this.#receiving.destroy();
  }
}
