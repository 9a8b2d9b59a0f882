import { BASE_DATAGRAM_BYTES, MAX_PROBED_DATAGRAM_BYTES } from '@underpass/protocol';
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
