import type { Address } from '../address.js';
import type { ConnectionStats } from '../transport/connection-stats.js';
import type { SessionStats } from '../wireguard/session-stats.js';

/** Those statistics that neither the session nor the connection has. */
interface OwnStats {
  /** Where datagrams to the peer are sent now. */
  readonly address: Address | undefined;
  /** The largest datagram (UDP payload) that is sent: how far the search for the path's size has got. */
  readonly datagramBytes: number;
  /** Whether a HELLO of the peer's current run has arrived. */
  readonly connected: boolean;
  /** When a datagram of the peer last authenticated, in monotonic ms. */
  readonly heardAt: number | undefined;
  /** If streams wait for the peer: since when an answer has been due, in monotonic ms (spec outage 2). */
  readonly waitingSince: number | undefined;
}

/** Statistics about one peer. Counts start when the peer is added, and cover all its connections. */
export interface PeerStats extends Readonly<SessionStats>, ConnectionStats, OwnStats {}

/** The statistics of a peer that has never been heard. */
export const NO_CONNECTION: ConnectionStats = {
  software: undefined,
  smoothedRttMs: undefined,
  streamBytesSent: 0,
  streamBytesReceived: 0,
  packetsSent: 0,
  packetsLost: 0,
  congestionWindowBytes: 0,
  bytesInFlight: 0,
  openStreams: 0,
  unreadBytes: 0,
  unacknowledgedBytes: 0,
  notedPieces: 0,
  rememberedPackets: 0,
  flowDatagrams: {
    sent: 0,
    received: 0,
    tooLarge: 0,
    sendQueueFull: 0,
    expired: 0,
    withoutFlow: 0,
    receiveQueueFull: 0,
  },
};

/** Joins the statistics of a peer's parts. It names each of them: spreading the parts into one object takes a few hundred
 *  times as long, and a relay or a simulation asks for the statistics of many peers again and again. */
export function joinStats(session: SessionStats, connection: ConnectionStats, own: OwnStats): PeerStats {
  return {
    handshakes: session.handshakes,
    handshakeRttMs: session.handshakeRttMs,
    datagramsSent: session.datagramsSent,
    datagramsReceived: session.datagramsReceived,
    bytesSent: session.bytesSent,
    bytesReceived: session.bytesReceived,
    software: connection.software,
    smoothedRttMs: connection.smoothedRttMs,
    streamBytesSent: connection.streamBytesSent,
    streamBytesReceived: connection.streamBytesReceived,
    packetsSent: connection.packetsSent,
    packetsLost: connection.packetsLost,
    congestionWindowBytes: connection.congestionWindowBytes,
    bytesInFlight: connection.bytesInFlight,
    openStreams: connection.openStreams,
    unreadBytes: connection.unreadBytes,
    unacknowledgedBytes: connection.unacknowledgedBytes,
    notedPieces: connection.notedPieces,
    rememberedPackets: connection.rememberedPackets,
    flowDatagrams: connection.flowDatagrams,
    address: own.address,
    datagramBytes: own.datagramBytes,
    connected: own.connected,
    heardAt: own.heardAt,
    waitingSince: own.waitingSince,
  };
}
