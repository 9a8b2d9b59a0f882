/** Notices that the other end of a TCP connection is gone while Node does not look (spec forwarding 4.6, docs/adr/0010-vanished-programs.md).
 *
 *  Node asks the kernel about a socket only while it reads or has something to write. A program that sent FIN, or whose socket is
 *  paused because the tunnel is full, may reset the connection and nothing happens: no event, and a place, a stream and two
 *  descriptors are held for good. The kernel knows: `getpeername` of such a socket fails with ENOTCONN. So sockets that nobody polls
 *  are asked that in turn, a limited number at a time, and none while there are none.
 *
 *  A connection that still moves bytes is left alone even if its other end is gone: what was received before is carried to its end. */
import type { Socket } from 'node:net';
import { getSystemErrorName } from 'node:util';
import type { Timers } from '@underpass/runtime';
import { WATCH_INTERVAL_MS, WATCHED_PER_TURN } from './forward-constants.js';

/** A connection whose socket is not polled for now. */
export interface Watched {
  readonly socket: Socket;
  /** Grows with every byte that is carried, in either direction. */
  readonly movedBytes: number;
  /** The other end is gone, and has been for a turn in which no byte moved. */
  onVanished(): void;
}

export class SocketWatch {
  readonly #timers: Timers;
  /** In the order in which they were looked at, the longest ago first, with what had moved then. */
  readonly #watched = new Map<Watched, number>();
  #timer: object | undefined;

  constructor(timers: Timers) {
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
      if (before === undefined) continue; // ended by one before it in this turn
      this.#watched.delete(watched);
      if (hasVanished(watched.socket) && watched.movedBytes === before) watched.onVanished();
      else this.#watched.set(watched, watched.movedBytes);
    }
    const { size } = this.#watched;
    if (size === 0) return;
    // Each about once a second, up to a rate that costs little; with more of them each waits longer.
    const delayMs = Math.max((WATCH_INTERVAL_MS * WATCHED_PER_TURN) / Math.max(size, WATCHED_PER_TURN), 100);
    this.#timer = this.#timers.set(() => this.#turn(), delayMs);
  }
}

interface Handle {
  getpeername?(address: object): number;
  readStart?(): number;
}

/** After our own FIN the kernel gives the same answer for a connection that both sides ended in due form, whose last bytes wait here to be
 *  read: that one is left alone. It ends as soon as they are carried. */
function hasVanished(socket: Socket): boolean {
  return socket.writable && isGone(socket);
}

/** Calls `onEnd` when the `end` that a socket has just emitted is known to be the other side's FIN. If it was a reset the socket emits an
 *  error first, within two turns of the event loop.
 *
 *  libuv reports an end of data when it has read part of a buffer and the kernel says that the connection is over, without reading
 *  on to see whether that was FIN or a reset. So a target that dies in the middle of its answer would pass for one that has said
 *  all. Reading once more gives the kernel's word. Only after our own FIN there is no time for that: a reset behind unread bytes
 *  passes for the end then. */
export function confirmEnd(socket: Socket, onEnd: () => void): void {
  // After our own FIN the other side's makes an end of the connection in any case, and Node closes the socket at once.
  if (!socket.writable || !isGone(socket)) {
    onEnd();
    return;
  }
  handleOf(socket)?.readStart?.();
  // The first comes before the event loop looks at sockets again, the second after.
  setImmediate(() => setImmediate(onEnd));
}

/** Whether the kernel has given the connection up. `socket.remoteAddress` would not do: Node keeps the first answer.
 *  @returns false where it cannot be told */
export function isGone(socket: Socket): boolean {
  const error = handleOf(socket)?.getpeername?.({}) ?? 0;
  if (error >= 0) return false;
  const name = getSystemErrorName(error);
  return name === 'ENOTCONN' || name === 'EINVAL';
}

function handleOf(socket: Socket): Handle | null | undefined {
  return (socket as unknown as { readonly _handle?: Handle | null })._handle;
}
