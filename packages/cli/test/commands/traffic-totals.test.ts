import { expect, it } from 'vitest';
import {
  formatBytes,
  formatDuration,
  inMicroseconds,
  lossText,
  totals,
} from '../../src/commands/traffic-totals.js';

it.each([
  [0, '0 bytes'],
  [1023, '1023 bytes'],
  [1024, '1.0 KiB'],
  [10 * 1024 ** 2, '10.0 MiB'],
  [1.5 * 1024 ** 3, '1.5 GiB'],
  [2 * 1024 ** 4, '2.0 TiB'],
  [4096 * 1024 ** 4, '4096.0 TiB'],
])('writes %d bytes as %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

it.each([
  [0, '0.0 s'],
  [9_940, '9.9 s'],
  [10_000, '10 s'],
  [119_000, '119 s'],
  [120_000, '2 min'],
  [7_199_000, '120 min'],
  [7_200_000, '2 h'],
])('writes %d ms as %s', (milliseconds, text) => {
  expect(formatDuration(milliseconds)).toBe(text);
});

it.each([
  [0, 'no connection is lost'],
  [1, '1 connection is lost'],
  [2, '2 connections are lost'],
])('says that %d connections are lost', (count, text) => {
  expect(lossText(count)).toBe(text);
});

it('rounds times to a microsecond, and leaves out what is not known', () => {
  expect([inMicroseconds(1.23456), inMicroseconds(undefined)]).toEqual([1.235, undefined]);
});

it('has each count of a peer under its own name', () => {
  const counts = {
    handshakes: 1,
    handshakeRttMs: 2,
    smoothedRttMs: 3,
    datagramsSent: 4,
    datagramsReceived: 5,
    bytesSent: 6,
    bytesReceived: 7,
    streamBytesSent: 8,
    streamBytesReceived: 9,
    packetsLost: 10,
  };
  expect(totals({ ...counts, packetsSent: 11 } as never)).toEqual(counts);
});
