/** Notices that the other end of a TCP connection is gone while Node does not poll the socket (spec forwarding 4.6,
 *  docs/adr/0010-vanished-programs.md). */
import type { Duplex } from 'node:stream';
import { getSystemErrorName } from 'node:util';
import { TurnoverMap } from '@underpass/protocol';
import type { Timers } from '@underpass/runtime';
import { WATCH_INTERVAL_MS, WATCHED_PER_TURN } from './forward-constants.js';
import type { IdleWatch } from './idle-watch.js';
import { TcpKeepalive } from './tcp-keepalive.js';

/** A connection whose socket Node does not poll at present. */
export interface Watched {
  readonly socket: Duplex;
  /** Grows with every byte carried, in either direction. */
  readonly movedBytes: number;
  /** The other end is gone, and no byte has moved since the last check. */
  onVanished(): void;
}

/** Checks sockets that Node does not poll for whether their other end still exists.
 *
 *  Node asks the kernel about a socket only while it reads or has something to write. If a program sent FIN, or its
 *  socket is paused because the tunnel is full, it may reset the connection without any event here. Its place, its
 *  stream and two descriptors would then be held forever. The kernel knows: `getpeername` fails on such a socket. So
 *  pumps add their socket while they don't read it, and the watch checks all of them in turn, a limited number at a
 *  time. With nothing to watch it sets no timer. It never touches a socket: it only calls `onVanished`, and not while
 *  bytes still move, so that what arrived before the reset is carried to the end. */
export class SocketWatch {
  readonly idle: IdleWatch | undefined;
  readonly keepalive: TcpKeepalive;
  readonly #timers: Timers;
  /** The bytes moved at the last check, in order of that check, the oldest first. */
  readonly #watched = new TurnoverMap<Watched, number>();
  #timer: object | undefined;

  /** The pumps that use this watch add themselves to `idle` too, and their sockets to `keepalive`. */
  constructor(timers: Timers, idle?: IdleWatch) {
    this.idle = idle;
    this.keepalive = new TcpKeepalive(timers);
    this.#timers = timers;
  }

  get size(): number {
    return this.#watched.size;
  }

  add(watched: Watched): void {
    if (this.#watched.has(watched)) return;
    this.#watched.set(watched, watched.movedBytes);
    this.#timer ??= this.#timers.set(() => this.#turn(), WATCH_INTERVAL_MS);
  }

  delete(watched: Watched): void {
    this.#watched.delete(watched);
  }

  #turn(): void {
    this.#timer = undefined;
    const turn = [...this.#watched.keys()].slice(0, WATCHED_PER_TURN);
    for (const watched of turn) {
      const before = this.#watched.get(watched);
      if (before === undefined) continue; // removed when another one ended in this turn
      this.#watched.delete(watched);
      if (hasVanished(watched.socket) && watched.movedBytes === before) watched.onVanished();
      else this.#watched.set(watched, watched.movedBytes);
    }
    const { size } = this.#watched;
    if (size === 0) return;
    // Check each about once a second, up to a rate that costs little. With more sockets each waits longer.
    const delayMs = Math.max((WATCH_INTERVAL_MS * WATCHED_PER_TURN) / Math.max(size, WATCHED_PER_TURN), 100);
    this.#timer = this.#timers.set(() => this.#turn(), delayMs);
  }
}

interface Handle {
  getpeername?(address: object): number;
  readStart?(): number;
}

/** After our own FIN the kernel gives the same answer for a connection that both sides ended cleanly and whose last
 *  bytes are still unread here. Leave that one alone: it ends as soon as they are carried. */
function hasVanished(socket: Duplex): boolean {
  return socket.writable && isGone(socket);
}

/** Calls `onEnd` once the `end` that a socket has just emitted is known to be the other side's FIN. If it was a reset,
 *  the socket emits an error within two turns of the event loop, before `onEnd`.
 *
 *  libuv reports the end of data when the kernel says that the connection is over, without reading on to see whether
 *  that was FIN or a reset. So a target that dies in the middle of its answer would look like one that sent all of it.
 *  One more read gets the kernel's answer. After our own FIN there is no time for that read, so a reset behind unread
 *  bytes still looks like a clean end. */
export function confirmEnd(socket: Duplex, onEnd: () => void): void {
  // After our own FIN the other side's FIN ends the connection in any case, and Node closes the socket at once.
  if (!socket.writable || !isGone(socket)) {
    onEnd();
    return;
  }
  handleOf(socket)?.readStart?.();
  // The first callback runs before the event loop looks at sockets again, the second after it.
  setImmediate(() => setImmediate(onEnd));
}

/** Whether the kernel has given up the connection. `socket.remoteAddress` does not help, because Node caches its first
 *  value.
 *  @returns false when the system does not say */
export function isGone(socket: Duplex): boolean {
  const error = handleOf(socket)?.getpeername?.({}) ?? 0;
  if (error >= 0) return false;
  const name = getSystemErrorName(error);
  return name === 'ENOTCONN' || name === 'EINVAL';
}

function handleOf(socket: Duplex): Handle | null | undefined {
  return (socket as unknown as { readonly _handle?: Handle | null })._handle;
}
