export type { HandshakeNewsEvent } from './handshake-news.js';
export { type SendGuard, type SessionStats, WireGuardPeer, type WireGuardPeerOptions } from './peer.js';
export { type OutgoingMessage, type Received, WireGuard, type WireGuardOptions } from './wireguard.js';
