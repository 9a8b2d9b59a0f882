/** The three kinds of failure, never mixed (docs/spec/wire.md §6): a `DropReason` is counted and forgotten,
 *  a `ConnectionError` ends one connection and says why, an `AssertionError` is our own bug. */

/** Why a datagram, or what was in it, had no effect. Never thrown, never answered; counted by name. */
export const DROP_REASONS = [
  'malformed', // not one of the four message types, or of a wrong length
  'wrong-mac1',
  'cookie-required', // under load, without a valid mac2: a cookie reply goes out instead
  'rate-limited',
  'handshake-failed', // a tag did not match, or a Diffie-Hellman result was all zero
  'unknown-peer',
  'replayed-handshake', // a timestamp not greater than the greatest seen
  'handshake-flood', // initiations of one peer closer than 20 ms
  'unexpected-handshake', // a response or cookie reply that nothing waits for
  'unknown-index',
  'expired-keypair',
  'authentication-failed',
  'replayed-counter',
  'ip-packet', // TUN mode is a later stage (docs/spec/wire.md §3)
  'unknown-payload',
  'no-hello', // a packet under a keypair that no HELLO has bound to an epoch
  'stale-epoch',
  'epoch-flood', // the peer begins anew more often than its budget allows: left unacknowledged so that it comes again
  'duplicate-packet',
  'reassembly-full', // too many separate pieces: left unacknowledged so that it comes again
  'closed', // the connection is over and its peer not yet gone
] as const;

export type DropReason = (typeof DROP_REASONS)[number];

/** Why a connection ended: the one table of codes (docs/spec/streams.md §9). */
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
  /** Another process with the same key has taken the connection's place. */
  superseded: 0x0f,
} as const;
export type ConnectionErrorCode = (typeof ConnectionErrorCode)[keyof typeof ConnectionErrorCode];

/** Who ended a connection, and why. A value that events carry; it is not thrown. */
export interface ConnectionError {
  readonly by: 'local' | 'peer';
  /** A `ConnectionErrorCode`, or a number that the peer's version knows and ours does not. */
  readonly code: number;
  readonly reason: string;
}

/** Why one direction of a stream ended early: RESET_STREAM and STOP_SENDING carry it (docs/spec/streams.md §9). */
export const StreamErrorCode = {
  /** The reader or writer is not interested any more. */
  cancelled: 0x00,
  /** The local TCP connection was reset. */
  connectionReset: 0x01,
  /** The request was refused; the status byte says why. */
  refused: 0x02,
  internal: 0x03,
  /** Never on the wire: the connection that carried the stream is over. */
  connectionLost: 0x04,
} as const;
export type StreamErrorCode = (typeof StreamErrorCode)[keyof typeof StreamErrorCode];
