/** What all sessions of one WireGuard share: its static key, its sources of time and randomness, its table of indices,
 *  and the calls by which a session asks to be polled. WireGuard owns all of it and passes it to each session. `S` is
 *  the type of the sessions. */
import type { CryptoSuite } from '../crypto/suite.js';
import type { HandshakeNews } from './handshake-news.js';
import type { IndexTable } from './index-table.js';
import type { Keypair } from './keypair.js';
import type { KeyPair } from './noise.js';

/** What a receiver index stands for: a handshake of this session and, when that is complete, its keypair. */
export interface IndexEntry<S> {
  readonly session: S;
  /** Undefined while the handshake is in progress. */
  keypair: Keypair | undefined;
}

export interface SessionContext<S> {
  readonly suite: CryptoSuite;
  /** Cryptographically secure bytes. */
  readonly random: (length: number) => Uint8Array;
  /** Wall clock, Unix milliseconds. */
  readonly unixTimeMs: () => number;
  /** Receives lines of Wireshark's key log, if there is one (spec session 9). */
  readonly keyLog: ((line: string) => void) | undefined;
  /** Our own static key. */
  readonly local: KeyPair;
  readonly indices: IndexTable<IndexEntry<S>>;
  readonly news: HandshakeNews<S>;
  /** Returns the next keypair id. Ids rise over all sessions. */
  nextKeypairId(): number;
  /** Asks that `session.handleTimeout` be called at `at`, which is sooner than the session asked for last. */
  wakeAt(session: S, at: number): void;
  /** Asks that `session.pollHandshake` be called: it may have a handshake message to send. */
  wantHandshake(session: S): void;
  /** Asks that `session.pollKeepalive` be called: it may have a keepalive to send. */
  wantKeepalive(session: S): void;
}
