/** What an endpoint reports of its peers and their streams. */
import type { Address } from '../address.js';
import type { ConnectionError } from '../failure.js';
import type { Stream } from '../transport/streams/stream.js';

/** @typeParam Peer whoever uses this has it already */
export type EventOf<Peer> =
  /** HELLO of a new epoch arrived: first contact, or contact with a restarted peer. */
  | { readonly type: 'connected'; readonly peer: Peer }
  /** The connection is over (closed, broken, or the peer restarted); its streams got `stream-reset` events first. */
  | {
      readonly type: 'disconnected';
      readonly peer: Peer;
      readonly error: ConnectionError;
      /** How many streams ended with it. */
      readonly lostStreams: number;
    }
  /** Two processes use the peer's key (spec streams 3.7): where the one is whose connection lasts, and the one that
   *  came back after its end. */
  | { readonly type: 'key-shared'; readonly peer: Peer; readonly addresses: readonly Address[] }
  /** An answer has been due since `since`, and nothing is heard: streams wait. */
  | { readonly type: 'waiting'; readonly peer: Peer; readonly since: number }
  /** The peer is heard again. */
  | { readonly type: 'resumed'; readonly peer: Peer; readonly silentMs: number }
  /** The peer's new address is proven (spec path 3); at most one event a second. `from` is the one reported before. */
  | { readonly type: 'moved'; readonly peer: Peer; readonly from: Address; readonly to: Address }
  /** The path carries no full datagram in one piece; told once for each path (spec mtu 3.6). */
  | { readonly type: 'path-fragments'; readonly peer: Peer; readonly datagramBytes: number }
  /** `openStream` gives streams again, after it gave none. */
  | { readonly type: 'streams-available'; readonly peer: Peer }
  /** The other side opened it. */
  | { readonly type: 'stream-opened'; readonly peer: Peer; readonly stream: Stream }
  /** Bytes or the FIN can be read: call `read` until undefined. */
  | { readonly type: 'stream-readable'; readonly stream: Stream }
  | { readonly type: 'stream-writable'; readonly stream: Stream }
  /** The other side's sending direction ended early, or the connection is over: nothing more to read. */
  | { readonly type: 'stream-reset'; readonly stream: Stream; readonly code: number }
  /** The other side will not read on: our sending direction is over. */
  | { readonly type: 'stream-stopped'; readonly stream: Stream; readonly code: number }
  /** Both directions are over and everything we sent was acknowledged: the last event of a stream. */
  | { readonly type: 'stream-closed'; readonly stream: Stream };
