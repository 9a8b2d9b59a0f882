/** Asks whether anything listens on a UDP port, only to explain a silent relay to the user.
 *
 *  A relay never answers what does not authenticate, so its silence has many causes. One of them can be detected: when
 *  nothing listens on the port, the other machine's kernel sends an ICMP message, which only a connected socket
 *  receives. So this opens a socket of its own, sends one empty datagram and waits a moment. An observer on the path,
 *  or anyone who guesses the port, can forge the ICMP message, so the answer must never cause more than a line in the
 *  log. */
import { createSocket } from 'node:dgram';
import { isIP } from 'node:net';
import type { Address } from '@underpass/protocol';
import { systemTimers, type Timers } from './clock.js';
import { systemCode } from './underpass-error.js';

/** How long to wait for an ICMP message. */
export const PORT_PROBE_MS = 1_000;

/** @returns the name of the system's error, ECONNREFUSED when nothing listens; undefined when no message arrives. Never
 *    rejects. */
export function probePort(
  { address, port }: Address,
  timers: Timers = systemTimers,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(isIP(address) === 6 ? 'udp6' : 'udp4');
    const end = (answer: string | undefined): void => {
      timers.clear(timer);
      socket.removeAllListeners();
      socket.on('error', () => {});
      socket.close();
      resolve(answer);
    };
    const timer = timers.set(() => end(undefined), PORT_PROBE_MS);
    socket.on('error', (error) => end(systemCode(error)));
    socket.on('connect', () => {
      socket.send(new Uint8Array(0), (error) => {
        if (error !== null) end(systemCode(error));
      });
    });
    socket.connect(port, address);
  });
}
