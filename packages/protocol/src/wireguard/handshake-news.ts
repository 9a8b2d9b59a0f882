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

/** A report about a handshake that was refused (spec handshake 7). `S` is the type of the sessions. */
export type HandshakeNewsEvent<S> =
  /** Somebody tried to connect with `publicKey`, which belongs to no peer, and proved to hold its private key. */
  | { readonly type: 'unknown-key'; readonly publicKey: Uint8Array; readonly from: Address }
  /** A peer's handshake was refused because its clock is behind the time that it stated in an earlier handshake. Both
   *  times are Unix milliseconds. */
  | {
      readonly type: 'clock-behind';
      readonly session: S;
      readonly clockMs: number;
      readonly earlierClockMs: number;
    };

/** Reports to the owner of this machine about handshakes that were refused (spec handshake 7).
 *
 *  A responder never answers a handshake that it refuses, so these reports are all that can explain the refusal.
 *  WireGuard and the Responders add them, and they wait here until the endpoint polls them.
 *
 *  Strangers and peers can cause reports at will. Everything here is therefore bounded: how many reports wait, how
 *  often an unknown key is checked and reported, and how many keys are remembered as reported. Anything beyond a bound
 *  is dropped. */
export class HandshakeNews<S> {
  readonly #events: HandshakeNewsEvent<S>[] = [];
  readonly #checks = new TokenBucket(UNKNOWN_KEY_CHECKS_PER_SECOND, UNKNOWN_KEY_CHECKS_PER_SECOND);
  readonly #reports = new TokenBucket(UNKNOWN_KEY_EVENTS_PER_SECOND, UNKNOWN_KEY_EVENTS_PER_SECOND);
  /** When each key was last reported. The one reported longest ago comes first. */
  readonly #reportedAt = new Map<string, number>();

  get isEmpty(): boolean {
    return this.#events.length === 0;
  }

  /** Whether to spend a Diffie-Hellman computation on finding out if a sender holds the private key of `publicKey`,
   *  which belongs to no peer. Takes one of the checks of this second if so. */
  mayCheck(now: number, publicKey: Uint8Array): boolean {
    const reportedAt = this.#reportedAt.get(bytesKey(publicKey));
    if (reportedAt !== undefined && now - reportedAt < UNKNOWN_KEY_SILENCE_MS) return false;
    return this.#checks.take(now);
  }

  /** Reports an unknown key, unless too many reports wait or were made this second. The key and the address are
   *  copied. */
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

  /** Reports a clock that went back, unless too many reports wait. Both times are Unix milliseconds. */
  addClockBehind(session: S, clockMs: number, earlierClockMs: number): void {
    if (this.#events.length === MAX_HANDSHAKE_NEWS) return;
    this.#events.push({ type: 'clock-behind', session, clockMs, earlierClockMs });
  }

  /** Takes the oldest report, if there is one. */
  poll(): HandshakeNewsEvent<S> | undefined {
    return this.#events.shift();
  }
}
