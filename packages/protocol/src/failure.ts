/** The three kinds of failure, which are never mixed (docs/spec/wire.md §6). A `DropReason` is counted and has no other
 *  effect. A `ConnectionError` ends one connection and says why. An `AssertionError` is a bug in this program. */

/** Why a datagram, or a packet in it, had no effect. Drops are counted by reason. They are never thrown, and the only
 *  one that is ever answered is `cookie-required`. */
export const DROP_REASONS = [
  'malformed', // not one of the four message types, or the wrong length for its type
  'wrong-mac1',
  'cookie-required', // under load and without a valid mac2; a cookie reply may answer it
  'rate-limited', // under load, with a valid mac2, from an address that has sent too many handshake messages
  'handshake-failed', // a tag did not match, or a Diffie-Hellman result was all zero
  'unknown-peer', // the initiator's static key belongs to no peer
  'replayed-handshake', // a timestamp that was accepted before, or is not above the floor
  'handshake-flood', // an initiation 20 ms or less after the last one accepted from the same peer
  'unexpected-handshake', // a response or cookie reply that no handshake is waiting for
  'unknown-index', // a receiver index that belongs to no handshake or keypair
  'expired-keypair',
  'authentication-failed',
  'replayed-counter',
  'ip-packet', // for the TUN mode, which does not exist yet (docs/spec/wire.md §3)
  'unknown-payload',
  'no-hello', // a packet under a keypair that no HELLO has bound to an epoch
  'stale-epoch',
  'epoch-flood', // the peer restarts more often than its budget allows; not acknowledged, so the peer retransmits it
  'duplicate-packet',
  'reassembly-full', // too many separate pieces; not acknowledged, so the peer retransmits it
  'closed', // the connection has ended, but its peer is still there
] as const;

export type DropReason = (typeof DROP_REASONS)[number];

/** Why a connection ended. This is the only table of these codes (docs/spec/streams.md §9). */
export const ConnectionErrorCode = {
  none: 0x00,
  internal: 0x01,
  flowControl: 0x03,
  streamLimit: 0x04,
  streamState: 0x05,
  finalSize: 0x06,
  frameEncoding: 0x07,
  protocolViolation: 0x0a,
  version: 0x0b,
  idleTimeout: 0x0c,
  peerRestarted: 0x0d,
  /** The other side no longer knows this peer. */
  removed: 0x0e,
  /** Another process with the same key has taken over the connection. */
  superseded: 0x0f,
} as const;
export type ConnectionErrorCode = (typeof ConnectionErrorCode)[keyof typeof ConnectionErrorCode];

/** Who ended a connection, and why. Events carry it; it is never thrown. */
export interface ConnectionError {
  readonly by: 'local' | 'peer';
  /** A `ConnectionErrorCode`, or a number that only the peer's version knows. */
  readonly code: number;
  readonly reason: string;
}

/** Why one direction of a stream ended early. RESET_STREAM and STOP_SENDING carry it (docs/spec/streams.md §9). */
export const StreamErrorCode = {
  /** The reader or writer is no longer interested. */
  cancelled: 0x00,
  /** The local TCP connection was reset. */
  connectionReset: 0x01,
  /** The request was refused; the status byte says why. */
  refused: 0x02,
  internal: 0x03,
  /** The connection that carried the stream has ended. This code is never sent. */
  connectionLost: 0x04,
} as const;
export type StreamErrorCode = (typeof StreamErrorCode)[keyof typeof StreamErrorCode];
