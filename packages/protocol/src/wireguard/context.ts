/** What all peers of one WireGuard share. */
import type { CryptoSuite } from '../crypto/suite.js';
import type { HandshakeNews } from './handshake-news.js';
import type { IndexTable } from './index-table.js';
import type { Keypair } from './keypair.js';
import type { KeyPair } from './noise.js';
import type { WireGuardPeer } from './session.js';

export interface IndexEntry {
  readonly peer: WireGuardPeer;
  /** Undefined as long as the handshake is under way. */
  keypair: Keypair | undefined;
}

export interface SessionContext {
  readonly suite: CryptoSuite;
  readonly random: (length: number) => Uint8Array;
  readonly unixTimeMs: () => number;
  readonly keyLog: ((line: string) => void) | undefined;
  readonly local: KeyPair;
  readonly indices: IndexTable<IndexEntry>;
  readonly news: HandshakeNews;
  /** Counts up over all peers. */
  nextKeypairId(): number;
  /** The peer has a handshake message to send: `pollHandshake` will ask it. */
  wantHandshake(peer: WireGuardPeer): void;
  /** The peer has a keepalive to send: `pollKeepalive` will ask it. */
  wantKeepalive(peer: WireGuardPeer): void;
}
