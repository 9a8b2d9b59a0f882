/** A relay and a tunnel in this process, made with the library. */
import { onTestFinished } from 'vitest';
import type { Tunnel, TunnelOptions } from '../../src/library/api.js';
import { connect, generateKeyPair } from '../../src/library/index.js';
import { createRelay } from '../../src/library/relay.js';
import type { Relay, RelayOptions, RelayPeer } from '../../src/library/relay-api.js';

export interface Pair {
  readonly relay: Relay;
  readonly tunnel: Tunnel;
  readonly peer: RelayPeer;
}

export async function open(
  rules: Partial<RelayPeer> = {},
  options: TunnelOptions = {},
  relayOptions: Partial<RelayOptions> = {},
): Promise<Pair> {
  const keys = generateKeyPair();
  const peer = { name: 'program', publicKey: keys.publicKey, allow: [], ...rules };
  const relay = await createRelay({
    listen: '127.0.0.1:0',
    privateKey: generateKeyPair().privateKey,
    peers: [peer],
    ...relayOptions,
  });
  onTestFinished(() => relay.close());
  const { privateKey } = keys;
  const access = { relay: relay.address, relayPublicKey: relay.publicKey, privateKey };
  const tunnel = await connect(access, { connectTimeoutMs: 0, ...options });
  onTestFinished(() => tunnel.close());
  return { relay, tunnel, peer };
}
