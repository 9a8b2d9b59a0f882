import { TokenBucket } from '../token-bucket.js';
import {
  EPOCHS_BURST,
  EPOCHS_PER_SECOND,
  GIVEN_UP_STREAMS_BURST,
  GIVEN_UP_STREAMS_PER_SECOND,
  IDLE_PACKETS_PER_SECOND,
  MAX_IDLE_PACKETS,
} from './limits.js';
import { BlockPool } from './streams/block-pool.js';
import { noDatagrams } from './streams/datagram-counts.js';

/** Limits on what a peer can make us do at little cost to itself (spec streams 2.5, 3.6, 5.4).
 *
 *  The budgets belong to the peer and outlive its connections. A peer that closes or restarts gets a new connection,
 *  and if it got new budgets too, they would limit nothing. */
export class PeerBudgets {
  /** New epochs, each of which costs us a new connection. */
  readonly epochs = new TokenBucket(EPOCHS_BURST, EPOCHS_PER_SECOND);
  /** Packets that have no effect. */
  readonly idlePackets = new TokenBucket(MAX_IDLE_PACKETS, IDLE_PACKETS_PER_SECOND);
  /** What became of the messages of its flows, which is counted over all connections. */
  readonly datagrams = noDatagrams();
  /** Memory for bytes that arrive, which is used again and again. */
  readonly blocks = new BlockPool();
  /** Streams that the peer gave up and whose places it gets back. */
  readonly givenUpStreams = new TokenBucket(GIVEN_UP_STREAMS_BURST, GIVEN_UP_STREAMS_PER_SECOND);
}
