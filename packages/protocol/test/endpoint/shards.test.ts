import { Endpoint, shardOfKey } from '@underpass/protocol';
import { describe, expect, it } from 'vitest';
import { countingRandom, SUITE } from '../wireguard/session-pair.js';

const CLIENT = { address: '192.0.2.1', port: 1 };

function shard(index: number): Endpoint {
  return new Endpoint({
    role: 'relay',
    privateKey: countingRandom(1)(32),
    suite: SUITE,
    random: countingRandom(2),
    unixTimeMs: () => 1_700_000_000_000,
    shard: { index, count: 2 },
  });
}

/** A transport packet whose index is of that shard. */
function packetFor(index: number): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 4 : i === 4 ? index : 0));
}

describe('an endpoint that serves one shard', () => {
  it('asks to pass on what is meant for another', () => {
    expect(shard(0).handleDatagram(0, packetFor(1), CLIENT)).toEqual({ passOnTo: 1 });
    expect(shard(0).handleDatagram(0, packetFor(2), CLIENT)).toBe('none');
  });

  it('lets nothing go round in circles (spec session 3.3: "MUST NOT pass on a datagram that was passed on to it")', () => {
    expect(shard(0).handlePassedOn(0, packetFor(1), CLIENT)).toBe('none');
  });

  it('serves every peer if there is only one', () => {
    expect(shardOfKey(SUITE, countingRandom(9)(32), 1)).toBe(0);
  });
});
