/** What all sessions of one WireGuard share. */
import type { CryptoSuite } from '../crypto/suite.js';
import type { HandshakeNews } from './handshake-news.js';
import type { IndexTable } from './index-table.js';
import type { Keypair } from './keypair.js';
import type { KeyPair } from './noise.js';

export interface IndexEntry<S> {
  readonly session: S;
  /** Undefined as long as the handshake is under way. */
  keypair: Keypair | undefined;
}

export interface SessionContext<S> {
  readonly suite: CryptoSuite;
  readonly random: (length: number) => Uint8Array;
  readonly unixTimeMs: () => number;
  readonly keyLog: ((line: string) => void) | undefined;
  readonly local: KeyPair;
  readonly indices: IndexTable<IndexEntry<S>>;
  readonly news: HandshakeNews<S>;
  /** Counts up over all sessions. */
  nextKeypairId(): number;
  /** The session has a timer that is due at `at`, sooner than its others: `handleTimeout` will ask it. */
  wakeAt(session: S, at: number): void;
  /** The session has a handshake message to send: `pollHandshake` will ask it. */
  wantHandshake(session: S): void;
  /** The session has a keepalive to send: `pollKeepalive` will ask it. */
  wantKeepalive(session: S): void;
}
