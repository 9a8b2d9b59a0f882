/** Asks whether anything listens on a UDP port, for a message to the user and nothing else.
 *
 *  A relay answers nothing that does not authenticate, so its silence has many causes. The system tells one of them
 *  apart: when nothing listens, the other machine's kernel says so with an ICMP message, and only a socket that is
 *  connected to that address hears of it. So a socket of its own sends one empty datagram there and waits a moment. Who
 *  is on the path, and who guesses the port, can forge the ICMP message: the answer must never lead to more than a line
 *  of the log. */
import { createSocket } from 'node:dgram';
import { isIP } from 'node:net';
import type { Address } from '@underpass/protocol';
import { systemTimers, type Timers } from './clock.js';
import { systemCode } from './underpass-error.js';

/** How long an ICMP message is waited for. */
export const PORT_QUESTION_MS = 1_000;

/** @returns the name of the system's error, ECONNREFUSED when nothing listens there; undefined when nothing is heard.
 *    Never rejects. */
export function askPort(
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
    const timer = timers.set(() => end(undefined), PORT_QUESTION_MS);
    socket.on('error', (error) => end(systemCode(error)));
    socket.on('connect', () => {
      socket.send(new Uint8Array(0), (error) => {
        if (error !== null) end(systemCode(error));
      });
    });
    socket.connect(port, address);
  });
}
