/** Starts a client: opens its socket and listeners, and looks up the relay. */
import { Endpoint } from '@underpass/protocol';
import {
  chooseSuite,
  openUdpSocket,
  RenewableSocket,
  secureRandom,
  tapped,
  transportOver,
  unixTimeMs,
  watchedSuite,
} from '@underpass/runtime';
import { RunningClient } from './client.js';
import type { Client, ClientOptions } from './client-options.js';

/** Opens the UDP socket and every listener.
 *  @throws UnderpassError when a listener cannot be opened, or when the relay's name does not exist and
 *    `refuseUnknownName` is set */
export async function startClient(options: ClientOptions): Promise<Client> {
  const chosen = await chooseSuite({ name: options.suite, log: options.log });
  const suite = options.watch === undefined ? chosen : watchedSuite(chosen, options.watch);
  const first = await openUdpSocket({ port: 0, kind: options.socket, log: options.log });
  // Those that follow have nothing new to log.
  const renewable = new RenewableSocket(first, () => openUdpSocket({ port: 0, kind: first.kind }));
  const socket = tapped(renewable, options.tap);
  const endpoint = new Endpoint({
    role: 'client',
    privateKey: options.privateKey,
    suite,
    random: secureRandom,
    unixTimeMs,
    transport: transportOver(socket, options),
    ...(options.keyLog && { keyLog: options.keyLog }),
  });
  const relay = endpoint.addPeer({
    publicKey: options.relayPublicKey,
    ...(options.presharedKey && { presharedKey: options.presharedKey }),
    persistentKeepaliveMs: options.persistentKeepaliveMs ?? 0,
  });
  const client = new RunningClient(options, {
    endpoint,
    relay,
    socket,
    changePort: () => renewable.renew(),
    suiteName: suite.name,
  });
  try {
    for (const forward of options.forwards) await client.addForward(forward);
    await client.findRelay();
  } catch (error) {
    await client.close();
    throw error;
  }
  return client;
}
