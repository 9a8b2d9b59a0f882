import { describe, expect, it } from 'vitest';
import {
  CONNECTION_WINDOW_BYTES,
  INITIAL_MAX_DATA_BYTES,
  INITIAL_MAX_STREAMS,
  MAX_OPEN_STREAMS,
  MAX_STREAM_WINDOW_BYTES,
  SEND_BUFFER_BYTES,
} from '../../src/transport/limits.js';
import {
  DEFAULT_MEMORY_PER_PEER_BYTES,
  MAX_MEMORY_PER_PEER_BYTES,
  MIN_MEMORY_PER_PEER_BYTES,
  transportFor,
  worstCaseBytes,
} from '../../src/transport/memory-budget.js';

describe('memory per peer (spec streams 5.5: "so that their sum stays below")', () => {
  it('is never exceeded under the limits that follow from it', () => {
    for (let bytes = MIN_MEMORY_PER_PEER_BYTES; bytes <= MAX_MEMORY_PER_PEER_BYTES; bytes *= 1.37) {
      const limits = transportFor(Math.floor(bytes));
      expect(worstCaseBytes(limits)).toBeLessThanOrEqual(bytes);
      expect(limits.connectionWindowBytes).toBeGreaterThanOrEqual(INITIAL_MAX_DATA_BYTES);
      expect(limits.maxOpenStreams).toBeGreaterThanOrEqual(INITIAL_MAX_STREAMS);
    }
  });

  it('leads to the default limits by default', () => {
    expect(transportFor(DEFAULT_MEMORY_PER_PEER_BYTES)).toMatchObject({
      connectionWindowBytes: CONNECTION_WINDOW_BYTES,
      maxStreamWindowBytes: MAX_STREAM_WINDOW_BYTES,
      sendBufferBytes: SEND_BUFFER_BYTES,
      maxOpenStreams: MAX_OPEN_STREAMS,
    });
  });
});
