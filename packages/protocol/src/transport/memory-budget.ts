/** One number for the memory that one peer can make us hold, and how it is shared out (spec streams 5.5). */
import { assert } from '../assert.js';
import type { TransportConfig } from './config.js';
import {
  INITIAL_MAX_STREAM_DATA_BYTES,
  INITIAL_MAX_STREAMS,
  MAX_OPEN_STREAMS,
  MAX_REASSEMBLY_PIECES,
  MAX_SEND_PIECES,
  MAX_SENT_FRAMES,
  RECEIVE_BLOCK_BYTES,
} from './limits.js';
import { PacketLog } from './recovery/packet-log.js';

const MIB = 1024 * 1024;
export const MIN_MEMORY_PER_PEER_BYTES = 32 * MIB;
export const MAX_MEMORY_PER_PEER_BYTES = 4096 * MIB;
export const DEFAULT_MEMORY_PER_PEER_BYTES = 128 * MIB;

/** What a stream always may write, however full the send buffer is. */
const STREAM_SEND_BYTES = 8 * 1024;
/** Where a piece begins and ends. */
const PIECE_BYTES = 16;
/** The objects that a stream is made of. */
const STREAM_OBJECTS_BYTES = 2 * 1024;
/** A stream's memory comes in blocks: at most one is partly used at each end. */
const STREAM_OVERHEAD_BYTES =
  2 * RECEIVE_BLOCK_BYTES + MAX_REASSEMBLY_PIECES * PIECE_BYTES + STREAM_SEND_BYTES + STREAM_OBJECTS_BYTES;
/** Packets remembered as sent, and pieces. The gaps between those that are acknowledged may all be lost, too, and so may what is on
 *  both sides of a frame in flight. */
const SENT_BYTES = PacketLog.MAX_BYTES + (2 * MAX_SEND_PIECES + MAX_SENT_FRAMES) * PIECE_BYTES;

type Limits = Pick<
  TransportConfig,
  | 'connectionWindowBytes'
  | 'maxStreamWindowBytes'
  | 'maxOpenStreams'
  | 'sendBufferBytes'
  | 'minStreamSendBufferBytes'
>;

/** Of what is left beside the send buffer and the notes on what was sent, for streams; the rest is for what they hold beyond their first windows. */
const STREAMS_SHARE = 9 / 16;

/** Three sixteenths for what is written and not acknowledged, up to so many streams as `STREAMS_SHARE` pays for, each with its first window, and
 *  the rest for what arrives and is not read beyond the first windows. `worstCaseBytes` of the result is at most `memoryBytes`. */
export function transportFor(memoryBytes: number): Limits {
  assert(memoryBytes >= MIN_MEMORY_PER_PEER_BYTES, 'memory for at least the initial limits');
  const sendBufferBytes = Math.floor((3 * memoryBytes) / 16);
  const left = memoryBytes - sendBufferBytes - SENT_BYTES;
  const streamBytes = STREAM_OVERHEAD_BYTES + INITIAL_MAX_STREAM_DATA_BYTES;
  const maxOpenStreams = Math.min(Math.floor((STREAMS_SHARE * left) / streamBytes), MAX_OPEN_STREAMS);
  assert(maxOpenStreams >= INITIAL_MAX_STREAMS, 'it pays for the initial streams');
  const spareBytes = Math.floor((left - maxOpenStreams * streamBytes) / MIB) * MIB;
  return {
    connectionWindowBytes: spareBytes + maxOpenStreams * INITIAL_MAX_STREAM_DATA_BYTES,
    maxStreamWindowBytes: spareBytes / 2,
    maxOpenStreams,
    sendBufferBytes,
    minStreamSendBufferBytes: STREAM_SEND_BYTES,
  };
}

/** The most that these limits let one peer occupy, buffers of the system not counted. */
export function worstCaseBytes(limits: Limits): number {
  return (
    limits.connectionWindowBytes +
    limits.sendBufferBytes +
    limits.maxOpenStreams * STREAM_OVERHEAD_BYTES +
    SENT_BYTES
  );
}
