/** What one peer may cost beyond what it pays for (spec streams 2.5, 3.6, 5.4).
 *
 *  The budgets belong to the peer and outlive its connections. A peer that closes or restarts gets a new connection, and a
 *  budget that came with it would be no limit. */
import { TokenBucket } from '../token-bucket.js';
import {
  EPOCHS_BURST,
  EPOCHS_PER_SECOND,
  GIVEN_UP_STREAMS_BURST,
  GIVEN_UP_STREAMS_PER_SECOND,
  IDLE_PACKETS_PER_SECOND,
  MAX_IDLE_PACKETS,
} from './limits.js';

export class PeerBudgets {
  /** New epochs, each of which costs a connection. */
  readonly epochs = new TokenBucket(EPOCHS_BURST, EPOCHS_PER_SECOND);
  /** Packets that change nothing. */
  readonly idlePackets = new TokenBucket(MAX_IDLE_PACKETS, IDLE_PACKETS_PER_SECOND);
  /** Places of streams that the peer gave up. */
  readonly givenUpStreams = new TokenBucket(GIVEN_UP_STREAMS_BURST, GIVEN_UP_STREAMS_PER_SECOND);
}
