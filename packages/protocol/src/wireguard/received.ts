/** What WireGuard says of datagrams that came in, and of messages that go out. */
import type { Address } from '../address.js';
import type { Dropped } from './dropped.js';
import type { Session } from './session.js';

/** What a datagram turned out to be. The object is valid until the next call of `handleDatagram`. */
export type Received<Owner = undefined> =
  | {
      readonly kind: 'payload';
      readonly session: Session<Owner>;
      readonly keypairId: number;
      /** The plaintext with its padding, as a view of the datagram. */
      readonly payload: Uint8Array;
    }
  | { readonly kind: 'keepalive' | 'handshake'; readonly session: Session<Owner> }
  /** An on-path observer can forge one, so it doesn't prove the peer is alive. */
  | { readonly kind: 'cookie-reply' }
  /** It is meant for a peer of another shard (spec session 3.3). The datagram is unchanged. */
  | { readonly kind: 'elsewhere'; readonly shard: number }
  | Dropped;

/** A message that was written into the caller's buffer. */
export interface OutgoingMessage {
  readonly to: Address;
  /** In bytes, from the start of the buffer. */
  readonly length: number;
}
