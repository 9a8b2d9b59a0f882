import {
  BASE_DATAGRAM_BYTES,
  DEFAULT_MEMORY_PER_PEER_BYTES,
  MAX_PROBED_DATAGRAM_BYTES,
  transportFor,
} from '@underpass/protocol';
import { describe, expect, it } from 'vitest';
import { transportOver } from '../src/transport-tuning.js';
import { FakeSocket } from './fake-endpoint.js';

describe('the largest datagram that is sent', () => {
  it.each([
    [true, MAX_PROBED_DATAGRAM_BYTES],
    [false, BASE_DATAGRAM_BYTES],
  ])(
    'over a socket that can forbid fragments (%s) is %i bytes (spec mtu 1.4: "The search MUST therefore be off")',
    (refusesFragmentation, bytes) => {
      const socket = Object.assign(new FakeSocket(), { refusesFragmentation });
      expect(transportOver(socket, {}).maxDatagramBytes).toBe(bytes);
    },
  );
});

describe('the other settings', () => {
  it('are those for the memory of a peer, and the congestion controller if one is named', () => {
    const { maxDatagramBytes, ...defaults } = transportOver(new FakeSocket(), {});
    expect(maxDatagramBytes).toBe(BASE_DATAGRAM_BYTES);
    expect(defaults).toStrictEqual(transportFor(DEFAULT_MEMORY_PER_PEER_BYTES));
    const memoryPerPeerBytes = DEFAULT_MEMORY_PER_PEER_BYTES / 4;
    const tuned = transportOver(new FakeSocket(), { congestion: 'cubic', memoryPerPeerBytes });
    expect(tuned).toStrictEqual({
      ...transportFor(memoryPerPeerBytes),
      maxDatagramBytes,
      congestion: 'cubic',
    });
  });
});
