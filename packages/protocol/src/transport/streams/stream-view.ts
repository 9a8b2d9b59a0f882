import { assert } from '../../assert.js';
import type { ReceiveState, SendState } from './states.js';
import { ConnectionStream, type Stream } from './stream.js';

/** A stream as tools show it: the state of each half, and how far its bytes have got. All offsets and limits are in
 *  bytes from the start of that direction. */
export interface StreamView {
  readonly id: number;
  readonly incoming: boolean;
  readonly sending: {
    readonly state: SendState;
    readonly written: number;
    readonly sent: number;
    /** Everything below is acknowledged. */
    readonly acknowledged: number;
    /** How much the peer permits. */
    readonly limit: number;
  };
  readonly receiving: {
    readonly state: ReceiveState;
    /** Everything below was read by the application. */
    readonly read: number;
    /** Everything below has arrived. */
    readonly inOrder: number;
    /** The highest offset that has arrived. */
    readonly largest: number;
    /** How much we permit. */
    readonly limit: number;
  };
}

export function viewStream(stream: Stream): StreamView {
  assert(stream instanceof ConnectionStream, 'a stream of a connection');
  const { id, incoming, sending, receiving } = stream;
  const { written, sent, bufferedBytes } = sending.buffer;
  const { readOffset, contiguousEnd } = receiving.buffer;
  return {
    id,
    incoming,
    sending: {
      state: sending.state,
      written,
      sent,
      acknowledged: written - bufferedBytes,
      limit: sending.limit,
    },
    receiving: {
      state: receiving.state,
      read: readOffset,
      inOrder: contiguousEnd,
      largest: receiving.largest,
      limit: receiving.limit,
    },
  };
}
