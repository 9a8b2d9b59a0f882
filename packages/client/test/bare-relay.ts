/** A minimal relay: an endpoint on a UDP socket that knows one client and answers no requests. */
import { randomBytes } from 'node:crypto';
import { type Address, Endpoint } from '@underpass/protocol';
import {
  chooseSuite,
  Driver,
  openUdpSocket,
  secureRandom,
  transportOver,
  unixTimeMs,
} from '@underpass/runtime';
import { onTestFinished } from 'vitest';

const suite = await chooseSuite();

export interface BareRelay {
  readonly address: Address;
  readonly publicKey: Uint8Array;
}

export interface Keys {
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

export function newKeys(): Keys {
  const privateKey = randomBytes(32);
  return { privateKey, publicKey: suite.x25519PublicKey(privateKey) };
}

export async function runBareRelay(client: Uint8Array, presharedKey?: Uint8Array): Promise<BareRelay> {
  const { privateKey, publicKey } = newKeys();
  const socket = await openUdpSocket({ host: '127.0.0.1', port: 0 });
  const endpoint = new Endpoint({
    role: 'relay',
    privateKey,
    suite,
    random: secureRandom,
    unixTimeMs,
    transport: transportOver(socket, {}),
  });
  endpoint.addPeer({ publicKey: client, ...(presharedKey && { presharedKey }) });
  const ignore = () => undefined;
  const handler = { onConnected: ignore, onDisconnected: ignore, onStream: ignore };
  const driver = new Driver({ endpoint, socket, handler });
  onTestFinished(() => driver.close());
  return { address: socket.address, publicKey };
}
