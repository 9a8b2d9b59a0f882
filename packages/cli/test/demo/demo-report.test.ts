import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { directionText, grouped, overheadPercent, wireBytes } from '../../src/demo/demo-report.js';
import { sampleBody } from '../../src/demo/sample-body.js';

const NOTHING = {
  handshakes: 0,
  handshakeRttMs: undefined,
  smoothedRttMs: undefined,
  datagramsSent: 0,
  datagramsReceived: 0,
  bytesSent: 0,
  bytesReceived: 0,
  streamBytesSent: 0,
  streamBytesReceived: 0,
  packetsLost: 0,
};

describe('the figures of the demo', () => {
  it('include an IPv4 and a UDP header for each datagram', () => {
    expect(wireBytes({ datagrams: 10, bytes: 1000 })).toBe(1280);
    expect(directionText({ datagrams: 10, bytes: 1000 })).toBe('     10 datagrams        1,280 bytes');
  });

  it('include the overhead of both directions, relative to the body', () => {
    const totals = {
      ...NOTHING,
      datagramsSent: 5,
      bytesSent: 160,
      datagramsReceived: 10,
      bytesReceived: 10_320,
    };
    expect(overheadPercent(10_000, totals)).toBeCloseTo(9, 5);
  });

  it('group digits by three', () => {
    expect([0, 999, 1000, 10_485_760].map(grouped)).toEqual(['0', '999', '1,000', '10,485,760']);
  });
});

describe('the sample body', () => {
  it('has the requested length and is always the same', () => {
    const digest = (length: number) => {
      const hash = createHash('sha256');
      let bytes = 0;
      for (const chunk of sampleBody(length)) {
        hash.update(chunk);
        bytes += chunk.length;
      }
      expect(bytes).toBe(length);
      return hash.digest('hex');
    };
    expect(digest(200_000)).toBe(digest(200_000));
    expect(digest(200_000)).not.toBe(digest(200_001));
    expect(digest(0)).toBe(createHash('sha256').digest('hex'));
  });
});
