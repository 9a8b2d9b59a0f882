import type { Address } from '../address.js';
import type { ConnectionError } from '../failure.js';
import type { Stream } from '../transport/streams/stream.js';

/** An event that an endpoint reports about a peer or one of its streams.
 *  @typeParam Peer the class of peers, as a parameter because that class itself uses this type */
export type EventOf<Peer> =
  /** A HELLO with a new epoch arrived: first contact, or contact with a peer that has restarted. */
  | {
      readonly type: 'connected';
      readonly peer: Peer;
      /** The name of the peer's software. */
      readonly software: string;
    }
  /** The connection has ended, because a side closed it or the peer restarted. The events of its streams come first,
   *  behind `connected`, even if it ended before anybody polled. */
  | {
      readonly type: 'disconnected';
      readonly peer: Peer;
      readonly error: ConnectionError;
      /** How many open streams ended with it. */
      readonly lostStreams: number;
    }
  /** Two processes use the peer's key (spec streams 3.7). The addresses are that of the process whose connection lasts,
   *  and that of the one that came back after its connection had ended. */
  | { readonly type: 'key-shared'; readonly peer: Peer; readonly addresses: readonly Address[] }
  /** Streams wait: an answer has been due since `since` (monotonic ms), and the peer is not heard (spec outage 2). */
  | { readonly type: 'waiting'; readonly peer: Peer; readonly since: number }
  /** The peer is heard again. `silentMs` is how long the answer was due. */
  | { readonly type: 'resumed'; readonly peer: Peer; readonly silentMs: number }
  /** The peer's new address is proven (spec path 3). This is reported at most once a second. `from` is the address that
   *  was reported before. */
  | { readonly type: 'moved'; readonly peer: Peer; readonly from: Address; readonly to: Address }
  /** Even datagrams of the base size travel in fragments. This is reported once per path (spec mtu 3.6). */
  | { readonly type: 'path-fragments'; readonly peer: Peer; readonly datagramBytes: number }
  /** `openStream` can open streams again, after it could not. */
  | { readonly type: 'streams-available'; readonly peer: Peer }
  /** The other side opened a stream. */
  | { readonly type: 'stream-opened'; readonly peer: Peer; readonly stream: Stream }
  /** Bytes or the FIN can be read. Call `read` until it returns undefined. */
  | { readonly type: 'stream-readable'; readonly stream: Stream }
  /** Messages of the flow can be read. Call `readDatagram` until it returns undefined. */
  | { readonly type: 'stream-datagrams'; readonly stream: Stream }
  /** The send buffer has room again, after `write` took less than it was given. */
  | { readonly type: 'stream-writable'; readonly stream: Stream }
  /** The other side's sending direction ended early, or the connection has ended: there is nothing more to read. */
  | { readonly type: 'stream-reset'; readonly stream: Stream; readonly code: number }
  /** The other side will not read any more: our sending direction is over. */
  | { readonly type: 'stream-stopped'; readonly stream: Stream; readonly code: number }
  /** Both directions are over, and everything we sent is acknowledged. This is the last event of a stream. */
  | { readonly type: 'stream-closed'; readonly stream: Stream };
