/** What the inspector shows of a running relay or client at one moment, as plain values that survive JSON. It has no key
 *  but public ones, and no byte of a stream. */
import {
  type Address,
  base64,
  type ConnectionView,
  type Deadline,
  type KeypairView,
  type Peer,
  type PeerStats,
  type StreamView,
} from '@underpass/protocol';
import type { Description } from '../dissect/describe.js';

/** How many streams of a peer are listed; the newest. The others are counted. */
export const MAX_SHOWN_STREAMS = 64;

export interface ProcessSnapshot {
  readonly kind: 'client' | 'relay';
  /** What `underpass status` calls it. */
  readonly name: string;
  readonly version: string;
  readonly suite: string;
  readonly socket: string;
}

/** A peer to choose. */
export interface PeerLabel {
  readonly name: string;
  readonly isConnected: boolean;
}

export interface StreamSnapshot extends StreamView {
  /** Where it leads. Undefined if nobody asked yet, and for streams that carry no connection. */
  readonly target?: string | undefined;
}

/** The inside of one peer. Times are monotonic milliseconds on the clock of `Snapshot.nowMs`. */
export interface PeerSnapshot {
  readonly name: string;
  /** In base64. */
  readonly publicKey: string;
  readonly address: Address | undefined;
  readonly stats: Omit<PeerStats, 'address'>;
  readonly keypairs: readonly KeypairView[];
  readonly timers: readonly Deadline[];
  /** Undefined before first contact, like `recovery`. */
  readonly congestion: ConnectionView['congestion'] | undefined;
  readonly recovery: ConnectionView['recovery'] | undefined;
  /** The newest last. */
  readonly streams: readonly StreamSnapshot[];
  readonly streamsNotListed: number;
}

/** A datagram that was seen while it passed. */
export interface SampledDatagram extends Description {
  /** Rises from 1. */
  readonly id: number;
  /** Monotonic milliseconds. */
  readonly at: number;
  readonly direction: 'sent' | 'received';
  /** UDP payload. */
  readonly bytes: number;
  /** Of a transport message with a packet. */
  readonly packetNumber?: number | undefined;
}

export interface Snapshot {
  readonly process: ProcessSnapshot;
  /** Monotonic milliseconds. */
  readonly nowMs: number;
  /** When the next one is due. */
  readonly intervalMs: number;
  readonly peers: readonly PeerLabel[];
  readonly peersNotListed: number;
  /** The chosen peer. Undefined if there is none of that name any more. */
  readonly peer: PeerSnapshot | undefined;
  /** Some of those that the chosen peer sent and received since the snapshot before. `stats` says how many there were. */
  readonly datagrams: readonly SampledDatagram[];
}

/** It looks at every stream of the peer. @param targetOf  where the stream of that id leads */
export function snapshotPeer(
  name: string,
  peer: Peer,
  targetOf: (streamId: number) => string | undefined,
): PeerSnapshot {
  const { keypairs, timers, connection } = peer.view;
  const { address, ...stats } = peer.stats();
  const streams = connection?.streams ?? [];
  const listed = streams.slice(-MAX_SHOWN_STREAMS);
  return {
    name,
    publicKey: base64(peer.publicKey),
    address: address && { address: address.address, port: address.port },
    stats,
    keypairs,
    timers,
    congestion: connection && withFiniteRate(connection.congestion),
    recovery: connection?.recovery,
    streams: listed.map((stream) => ({ ...stream, target: targetOf(stream.id) })),
    streamsNotListed: streams.length - listed.length,
  };
}

/** JSON has no infinity. */
function withFiniteRate(congestion: ConnectionView['congestion']): ConnectionView['congestion'] {
  const { pacingRate } = congestion;
  return pacingRate === undefined || Number.isFinite(pacingRate)
    ? congestion
    : { ...congestion, pacingRate: undefined };
}
