/** What the owner of this machine should know of handshakes that were refused (spec handshake 7).
 *
 *  It holds events until the endpoint polls them. Strangers and peers can cause these events at will, so everything here is bounded: how many
 *  wait, how often an unknown key is checked and reported, and how many keys are remembered as reported. */
import type { Address } from '../address.js';
import { copyBytes } from '../copy-bytes.js';
import { bytesKey } from '../crypto/bytes.js';
import { TokenBucket } from '../token-bucket.js';
import {
  MAX_HANDSHAKE_NEWS,
  MAX_REPORTED_KEYS,
  UNKNOWN_KEY_CHECKS_PER_SECOND,
  UNKNOWN_KEY_EVENTS_PER_SECOND,
  UNKNOWN_KEY_SILENCE_MS,
} from './constants.js';

export type HandshakeNewsEvent<S> =
  /** Somebody who holds the private half of `publicKey`, which belongs to no peer, wants to connect. */
  | { readonly type: 'unknown-key'; readonly publicKey: Uint8Array; readonly from: Address }
  /** The peer's handshake is refused: its clock is behind what it was at an earlier handshake. Unix milliseconds. */
  | {
      readonly type: 'clock-behind';
      readonly session: S;
      readonly clockMs: number;
      readonly earlierClockMs: number;
    };

export class HandshakeNews<S> {
  readonly #events: HandshakeNewsEvent<S>[] = [];
  readonly #checks = new TokenBucket(UNKNOWN_KEY_CHECKS_PER_SECOND, UNKNOWN_KEY_CHECKS_PER_SECOND);
  readonly #reports = new TokenBucket(UNKNOWN_KEY_EVENTS_PER_SECOND, UNKNOWN_KEY_EVENTS_PER_SECOND);
  /** When each key was reported last, the longest ago first. */
  readonly #reportedAt = new Map<string, number>();

  get isEmpty(): boolean {
    return this.#events.length === 0;
  }

  /** Whether it is worth a Diffie-Hellman to find out if a sender holds the private half of a key that belongs to no peer. */
  mayCheck(now: number, publicKey: Uint8Array): boolean {
    const reportedAt = this.#reportedAt.get(bytesKey(publicKey));
    if (reportedAt !== undefined && now - reportedAt < UNKNOWN_KEY_SILENCE_MS) return false;
    return this.#checks.take(now);
  }

  addUnknownKey(now: number, publicKey: Uint8Array, from: Address): void {
    if (this.#events.length === MAX_HANDSHAKE_NEWS || !this.#reports.take(now)) return;
    const key = bytesKey(publicKey);
    this.#reportedAt.delete(key);
    this.#reportedAt.set(key, now);
    if (this.#reportedAt.size > MAX_REPORTED_KEYS) {
      this.#reportedAt.delete(this.#reportedAt.keys().next().value as string);
    }
    this.#events.push({ type: 'unknown-key', publicKey: copyBytes(publicKey), from: { ...from } });
  }

  addClockBehind(session: S, clockMs: number, earlierClockMs: number): void {
    if (this.#events.length === MAX_HANDSHAKE_NEWS) return;
    this.#events.push({ type: 'clock-behind', session, clockMs, earlierClockMs });
  }

  poll(): HandshakeNewsEvent<S> | undefined {
    return this.#events.shift();
  }
}
