import type { TokenBucket } from '../../token-bucket.js';
import type { BlockPool } from './block-pool.js';
import type { FlowDatagramsOptions } from './flow-datagrams.js';
import type { FrameRequests } from './frame-requests.js';
import type { SendMemoryLimits } from './send-memory.js';
import type { WindowLimits } from './window-shares.js';

export type StreamLimits = WindowLimits & SendMemoryLimits;

/** What a StreamSet needs. */
export interface StreamSetOptions extends FlowDatagramsOptions {
  readonly role: 'client' | 'relay';
  readonly limits: StreamLimits;
  /** The peer's budget for streams that it gives up, which outlives the connection (spec streams 5.4). */
  readonly givenUpBudget: TokenBucket;
  /** Where the blocks of receive buffers come from. */
  readonly blocks: BlockPool;
  readonly requests: FrameRequests;
  /** Returns how much a stream may buffer now beyond its guaranteed share. */
  readonly sendAheadBytes: () => number;
  /** Returns how many bytes a stream may send in one turn (spec streams 5.9). */
  readonly turnBytes: () => number;
  /** Is called when a command on a stream may have given the set something to send or to report. */
  readonly onCommand: () => void;
}
