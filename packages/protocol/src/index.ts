/** The protocol: no socket, no clock, no timer, no randomness of its own. Start at endpoint/endpoint.ts. */
export * from './address.js';
export * from './assert.js';
export { CONGESTION_CONTROLLERS, type CongestionControllerName } from './congestion/controller.js';
export { DEFAULT_TRANSPORT, type TransportConfig } from './connection/config.js';
export * from './connection/memory-budget.js';
export { MAX_PEERS } from './constants.js';
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
export type { Peer, PeerStats } from './endpoint/peer.js';
export { TransmitBatch } from './endpoint/transmit-batch.js';
export * from './failure.js';
export * from './request.js';
export * from './session/index.js';
export type { Stream } from './streams/stream.js';
export * from './transport-constants.js';
