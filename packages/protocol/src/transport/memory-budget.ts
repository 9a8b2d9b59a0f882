/** How much memory one peer can make us hold, as one number, and how the limits of a connection follow from it
 *  (spec streams 5.5). */
import { assert } from '../assert.js';
import {
  DATAGRAM_RECEIVE_QUEUE_BYTES,
  DATAGRAM_SEND_QUEUE_BYTES,
  INITIAL_MAX_STREAM_DATA_BYTES,
  INITIAL_MAX_STREAMS,
  MAX_OPEN_STREAMS,
  MAX_REASSEMBLY_PIECES,
  MAX_SEND_PIECES,
  MAX_SENT_FRAMES,
  MIN_STREAM_SEND_BUFFER_BYTES,
  RECEIVE_BLOCK_BYTES,
} from './limits.js';
import { PacketLog } from './recovery/packet-log.js';

const MIB = 1024 * 1024;
/** The bounds and the default of the number that a user configures. */
export const MIN_MEMORY_PER_PEER_BYTES = 32 * MIB;
export const MAX_MEMORY_PER_PEER_BYTES = 4096 * MIB;
export const DEFAULT_MEMORY_PER_PEER_BYTES = 128 * MIB;

/** The memory for where a piece begins and ends. */
const PIECE_BYTES = 16;
/** The memory for the objects of a stream. */
const STREAM_OBJECTS_BYTES = 2 * 1024;
/** The memory for a stream beyond its received bytes. These lie in blocks, of which one at each end may be partly
 *  used. */
const STREAM_OVERHEAD_BYTES =
  2 * RECEIVE_BLOCK_BYTES +
  MAX_REASSEMBLY_PIECES * PIECE_BYTES +
  MIN_STREAM_SEND_BUFFER_BYTES +
  STREAM_OBJECTS_BYTES;
/** The memory for packets remembered as sent, and for pieces. The gaps between acknowledged pieces may all be lost too,
 *  and so may the bytes on both sides of a frame in flight. */
const SENT_BYTES = PacketLog.MAX_BYTES + (2 * MAX_SEND_PIECES + MAX_SENT_FRAMES) * PIECE_BYTES;

/** The memory for messages of flows. */
const DATAGRAM_BYTES = DATAGRAM_SEND_QUEUE_BYTES + DATAGRAM_RECEIVE_QUEUE_BYTES;

/** The limits of a connection that bound how much memory its peer can make us hold. Sizes are in bytes. */
export interface MemoryLimits {
  /** How far the peer may send beyond what was read, over all streams ... */
  readonly connectionWindowBytes: number;
  /** ... and on one stream. */
  readonly maxStreamWindowBytes: number;
  /** How many streams of the peer may be open at one time. */
  readonly maxOpenStreams: number;
  /** How many written and unacknowledged bytes are kept, over all streams ... */
  readonly sendBufferBytes: number;
  /** ... and how many of them a single stream may always have. */
  readonly minStreamSendBufferBytes: number;
}

/** The share of memory for streams and their first windows, of what is left beside the send buffer, SENT_BYTES and
 *  DATAGRAM_BYTES. The
 *  rest is for what streams hold beyond their first windows. */
const STREAMS_SHARE = 9 / 16;

/** Computes the limits of a connection from the memory that its peer may make us hold.
 *
 *  Three sixteenths are for bytes that are written and not acknowledged. STREAMS_SHARE of the rest pays for streams,
 *  each with its first window, and decides how many there may be. What is left is for bytes beyond the first windows
 *  that have arrived and were not read. `worstCaseBytes` of the result is at most `memoryBytes`. */
export function transportFor(memoryBytes: number): MemoryLimits {
  assert(memoryBytes >= MIN_MEMORY_PER_PEER_BYTES, 'memory for at least the initial limits');
  const sendBufferBytes = Math.floor((3 * memoryBytes) / 16);
  const left = memoryBytes - sendBufferBytes - SENT_BYTES - DATAGRAM_BYTES;
  const streamBytes = STREAM_OVERHEAD_BYTES + INITIAL_MAX_STREAM_DATA_BYTES;
  const maxOpenStreams = Math.min(Math.floor((STREAMS_SHARE * left) / streamBytes), MAX_OPEN_STREAMS);
  assert(maxOpenStreams >= INITIAL_MAX_STREAMS, 'it pays for the initial streams');
  const spareBytes = Math.floor((left - maxOpenStreams * streamBytes) / MIB) * MIB;
  return {
    connectionWindowBytes: spareBytes + maxOpenStreams * INITIAL_MAX_STREAM_DATA_BYTES,
    maxStreamWindowBytes: spareBytes / 2,
    maxOpenStreams,
    sendBufferBytes,
    minStreamSendBufferBytes: MIN_STREAM_SEND_BUFFER_BYTES,
  };
}

/** The most memory that one peer can occupy under these limits, without the buffers of the system. */
export function worstCaseBytes(limits: MemoryLimits): number {
  return (
    limits.connectionWindowBytes +
    limits.sendBufferBytes +
    limits.maxOpenStreams * STREAM_OVERHEAD_BYTES +
    SENT_BYTES +
    DATAGRAM_BYTES
  );
}
