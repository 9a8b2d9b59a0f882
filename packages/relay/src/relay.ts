/** Starts a relay: many peers, each with a list of targets that it may reach. */
import { adoptUdpSocket, chooseSuite, openUdpSocket, tapped, watchedSuite } from '@underpass/runtime';
import { checkPeers } from './check-peers.js';
import type { Relay, RelayOptions } from './relay-options.js';
import { type RelayWorker, RunningRelay, type WorkerRole } from './running-relay.js';
import { ownAddresses } from './this-machine.js';

/** Opens the UDP socket.
 *  @throws UnderpassError when it cannot be bound, or two peers share a name or a key */
export async function startRelay({ peers, invites, ...options }: RelayOptions): Promise<Relay> {
  checkPeers(peers, invites);
  const chosen = await chooseSuite({ name: options.suite, log: options.log });
  const suite = options.watch === undefined ? chosen : watchedSuite(chosen, options.watch);
  const opened = await openUdpSocket({
    ...options.listen,
    localAddresses: ownAddresses,
    kind: options.socket,
    log: options.log,
  });
  const socket = tapped(opened, options.tap);
  if (socket.mayAnswerFromAnotherAddress) {
    options.log.warn(
      { event: 'several-addresses' },
      "this machine has several addresses, and the system may answer from another one than a client uses; NATs and firewalls drop such answers: install koffi, or set 'listen' to one address",
    );
  }
  const relay = new RunningRelay(options, socket, suite);
  relay.setPeers(peers, invites);
  return relay;
}

/** Starts a relay on a socket that it has inherited. Its main process has checked the options.
 *  @throws if the socket or the suite cannot be used */
export async function startRelayWorker(
  { peers, invites, ...options }: Omit<RelayOptions, 'listen' | 'enrol'>,
  role: WorkerRole,
): Promise<RelayWorker> {
  const suite = await chooseSuite({ name: options.suite, log: options.log });
  const relay = new RunningRelay(options, adoptUdpSocket(role.socket, options.log), suite, role);
  relay.setPeers(peers, invites);
  return relay;
}
