/** The protocol core. It opens no socket, reads no clock, starts no timer and draws no randomness of its own: its
 *  caller supplies all of these. Start reading at endpoint/endpoint.ts. */
export * from './address.js';
export * from './assert.js';
export * from './copy-bytes.js';
export * from './crypto/index.js';
export { HEADER_BYTES, PADDING_BYTES, TRANSPORT_OVERHEAD_BYTES } from './datagram-layout.js';
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
export type { PeerView } from './endpoint/peer-view.js';
export { TransmitBatch } from './endpoint/transmit-batch.js';
export * from './failure.js';
export { readUint32 } from './little-endian.js';
export { TokenBucket } from './token-bucket.js';
export { DEFAULT_TRANSPORT, type TransportConfig } from './transport/config.js';
export { CONGESTION_CONTROLLERS, type CongestionControllerName } from './transport/congestion/controller.js';
export type { ConnectionView } from './transport/connection-view.js';
export * from './transport/limits.js';
export * from './transport/memory-budget.js';
export type { DatagramCounts } from './transport/streams/datagram-counts.js';
export type { DatagramOutcome } from './transport/streams/flow-datagrams.js';
export * from './transport/streams/states.js';
export type { Stream } from './transport/streams/stream.js';
export { type StreamView, viewStream } from './transport/streams/stream-view.js';
export { END, FrameReader, MALFORMED } from './transport/wire/frame-reader.js';
export * from './transport/wire/frames.js';
export { announcedVarintLength, readVarint, varintLength, writeVarint } from './transport/wire/varint.js';
export { TurnoverMap, TurnoverSet } from './turnover.js';
export { CONSTRUCTION, IDENTIFIER, MAX_PEERS, MAX_SHARDS } from './wireguard/constants.js';
export type { HandshakeNewsEvent } from './wireguard/handshake-news.js';
export {
  COOKIE_REPLY_BYTES,
  CookieReplyOffset,
  classifyMessage,
  INITIATION_BYTES,
  InitiationOffset,
  MAC_BYTES,
  MessageType,
  RESPONSE_BYTES,
  ResponseOffset,
  TransportOffset,
} from './wireguard/messages.js';
export { SymmetricState } from './wireguard/noise.js';
export type { OutgoingMessage, Received } from './wireguard/received.js';
export { Session, type SessionOptions } from './wireguard/session.js';
export { type AuthenticDatagram, RoamingPath, type SessionPath } from './wireguard/session-path.js';
export type { SessionStats } from './wireguard/session-stats.js';
export type { KeypairView } from './wireguard/session-view.js';
export { type Shard, shardOfIndex, shardOfKey } from './wireguard/shard.js';
export { TAI64N_BYTES, unixMsFromTai64n } from './wireguard/tai64n.js';
export { WireGuard, type WireGuardOptions } from './wireguard/wireguard.js';
