import type { Address } from '../address.js';
import type { ConnectionStats } from '../transport/connection.js';
import type { SessionStats } from '../wireguard/session.js';

/** Statistics about one peer. Counts start when the peer is added, and cover all its connections. */
export interface PeerStats extends Readonly<SessionStats>, ConnectionStats {
  /** Where datagrams to the peer are sent now. */
  readonly address: Address | undefined;
  /** Whether a HELLO of the peer's current run has arrived. */
  readonly connected: boolean;
  /** If streams wait for the peer: since when an answer has been due, in monotonic ms (spec outage 2). */
  readonly waitingSince: number | undefined;
}

/** The statistics of a peer that has never been heard. */
export const NO_CONNECTION: ConnectionStats = {
  software: undefined,
  smoothedRttMs: undefined,
  streamBytesSent: 0,
  streamBytesReceived: 0,
  packetsLost: 0,
  congestionWindowBytes: 0,
  bytesInFlight: 0,
  openStreams: 0,
  unreadBytes: 0,
  unacknowledgedBytes: 0,
  notedPieces: 0,
  rememberedPackets: 0,
};
