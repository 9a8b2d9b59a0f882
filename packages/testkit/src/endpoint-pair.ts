/** Creates a client and a relay that know each other's keys, for a `Pair` to run. */
import { Endpoint, type EndpointOptions, type Peer } from '@underpass/protocol';
import { createInsecureTestSuite } from './plain-suite.js';
import { RELAY_ADDRESS } from './simulation/network-conditions.js';
import type { SeededRandom } from './simulation/seeded-random.js';

const UNIX_MS = 1_700_000_000_000;

export interface EndpointPair {
  readonly client: Endpoint;
  readonly relay: Endpoint;
  /** The relay, as the client's peer. */
  readonly peer: Peer;
}

/** @param now  virtual time */
export function createEndpointPair(
  random: SeededRandom,
  now: () => number,
  transport: NonNullable<EndpointOptions['transport']> = {},
): EndpointPair {
  const suite = createInsecureTestSuite();
  const keys = { client: random.bytes(32), relay: random.bytes(32) };
  const create = (role: 'client' | 'relay'): Endpoint => {
    const draws = random.derive(role);
    return new Endpoint({
      role,
      privateKey: keys[role],
      suite,
      random: (length) => draws.bytes(length),
      unixTimeMs: () => UNIX_MS + now(),
      transport,
    });
  };
  const client = create('client');
  const relay = create('relay');
  const peer = client.addPeer({ publicKey: relay.publicKey, address: RELAY_ADDRESS });
  relay.addPeer({ publicKey: client.publicKey });
  return { client, relay, peer };
}
