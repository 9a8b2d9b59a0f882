/** The protocol core. It opens no socket, reads no clock, starts no timer and draws no randomness of its own: its
 *  caller supplies all of these. Start reading at endpoint/endpoint.ts. */
export * from './address.js';
export * from './assert.js';
export * from './copy-bytes.js';
export * from './crypto/index.js';
export * from './deadline.js';
export {
  Endpoint,
  type EndpointEvent,
  type EndpointOptions,
  type PeerOptions,
  type Reaction,
} from './endpoint/endpoint.js';
export type { Peer } from './endpoint/peer.js';
export type { PeerStats } from './endpoint/peer-stats.js';
export { TransmitBatch } from './endpoint/transmit-batch.js';
export * from './failure.js';
export { TokenBucket } from './token-bucket.js';
export { DEFAULT_TRANSPORT, type TransportConfig } from './transport/config.js';
export { CONGESTION_CONTROLLERS, type CongestionControllerName } from './transport/congestion/controller.js';
export * from './transport/limits.js';
export * from './transport/memory-budget.js';
export type { DatagramCounts } from './transport/streams/datagram-counts.js';
export type { DatagramOutcome } from './transport/streams/flow-datagrams.js';
export type { Stream } from './transport/streams/stream.js';
export { announcedVarintLength, readVarint, varintLength, writeVarint } from './transport/wire/varint.js';
export { MAX_PEERS } from './wireguard/constants.js';
export type { HandshakeNewsEvent } from './wireguard/handshake-news.js';
export { Session, type SessionOptions, type SessionStats } from './wireguard/session.js';
export { type AuthenticDatagram, RoamingPath, type SessionPath } from './wireguard/session-path.js';
export {
  type OutgoingMessage,
  type Received,
  WireGuard,
  type WireGuardOptions,
} from './wireguard/wireguard.js';
