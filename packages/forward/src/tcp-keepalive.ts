/** Lets the kernel find out that the other end of a TCP connection has silently gone (spec forwarding 4.6). */
import type { Socket } from 'node:net';
import { TurnoverSet } from '@underpass/protocol';
import type { Timers } from '@underpass/runtime';
import {
  KEEPALIVE_DELAY_MS,
  KEEPALIVE_TURN_MS,
  KEEPALIVES_PER_TURN,
  TCP_KEEPALIVE_MS,
} from './forward-constants.js';

/** Turns on TCP keepalive for the connections that last.
 *
 *  It takes four system calls for each, and most connections are over before the first probe could be sent. So all that
 *  are open at the end of a few seconds get it together, a limited number at a time. With none to wait for it sets no
 *  timer. */
export class TcpKeepalive {
  readonly #timers: Timers;
  /** Open connections that do not have it yet, the oldest first. */
  readonly #waiting = new TurnoverSet<Socket>();
  #timer: object | undefined;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  add(socket: Socket): void {
    this.#waiting.add(socket);
    this.#timer ??= this.#timers.set(() => this.#turn(), KEEPALIVE_DELAY_MS);
  }

  delete(socket: Socket): void {
    if (!this.#waiting.delete(socket) || this.#waiting.size > 0 || this.#timer === undefined) return;
    this.#timers.clear(this.#timer);
    this.#timer = undefined;
  }

  #turn(): void {
    this.#timer = undefined;
    let places = KEEPALIVES_PER_TURN;
    for (const socket of this.#waiting) {
      if (places-- === 0) {
        this.#timer = this.#timers.set(() => this.#turn(), KEEPALIVE_TURN_MS);
        return;
      }
      this.#waiting.delete(socket);
      socket.setKeepAlive(true, TCP_KEEPALIVE_MS);
    }
  }
}
