/** A set of streams without a connection. */
import { DEFAULT_MEMORY_PER_PEER_BYTES, transportFor } from '../../../src/transport/memory-budget.js';
import { PeerBudgets } from '../../../src/transport/peer-budgets.js';
import { PendingFrames } from '../../../src/transport/pending-frames.js';
import { BlockPool } from '../../../src/transport/streams/block-pool.js';
import { noDatagrams } from '../../../src/transport/streams/datagram-counts.js';
import { StreamSet } from '../../../src/transport/streams/stream-set.js';
import type { StreamSetOptions } from '../../../src/transport/streams/stream-set-options.js';

/** A StreamSet whose writers are never held back by the congestion window. */
export function makeStreamSet(role: 'client' | 'relay', own: Partial<StreamSetOptions> = {}): StreamSet {
  return new StreamSet({
    role,
    limits: transportFor(DEFAULT_MEMORY_PER_PEER_BYTES),
    givenUpBudget: new PeerBudgets().givenUpStreams,
    blocks: new BlockPool(),
    requests: new PendingFrames(),
    fullDatagramBytes: () => 1152,
    datagramCounts: noDatagrams(),
    sendAheadBytes: () => 2 ** 30,
    turnBytes: () => 0,
    onCommand: () => {},
    ...own,
  });
}
