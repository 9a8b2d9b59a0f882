import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import {
  KEEPALIVE_DELAY_MS,
  KEEPALIVE_TURN_MS,
  KEEPALIVES_PER_TURN,
  TCP_KEEPALIVE_MS,
} from '../src/forward-constants.js';
import { TcpKeepalive } from '../src/tcp-keepalive.js';
import { FakeTimers } from './fake-timers.js';

/** Sockets that only count, in `told`, what they are told. */
function setUp(count: number) {
  const timers = new FakeTimers();
  const keepalive = new TcpKeepalive(timers);
  const told: [number, ...unknown[]][] = [];
  const sockets = Array.from({ length: count }, (_, index) => {
    const socket = { setKeepAlive: (...args: unknown[]) => told.push([index, ...args]) };
    return socket as unknown as Socket;
  });
  for (const socket of sockets) keepalive.add(socket);
  return { timers, keepalive, told, sockets };
}

// spec forwarding 4.6
describe('keepalive of the connections that last', () => {
  it('is turned on once for each, together, when the oldest has lasted', () => {
    const { timers, keepalive, told } = setUp(1);
    timers.advance(KEEPALIVE_DELAY_MS - 1);
    keepalive.add({ setKeepAlive: (...args: unknown[]) => told.push([1, ...args]) } as unknown as Socket);
    expect(told).toEqual([]);
    timers.advance(1);
    expect(told).toEqual([
      [0, true, TCP_KEEPALIVE_MS],
      [1, true, TCP_KEEPALIVE_MS],
    ]);
    timers.advance(10 * KEEPALIVE_DELAY_MS);
    expect([told.length, timers.pending]).toEqual([2, 0]);
  });

  it('begins again with the next connection', () => {
    const { timers, keepalive, told, sockets } = setUp(1);
    timers.advance(KEEPALIVE_DELAY_MS);
    keepalive.add(sockets[0] as Socket);
    timers.advance(KEEPALIVE_DELAY_MS);
    expect(told).toHaveLength(2);
  });

  it('costs nothing for a connection that is over before, and needs no timer then', () => {
    const { timers, keepalive, told, sockets } = setUp(2);
    keepalive.delete(sockets[0] as Socket);
    expect(timers.pending).toBe(1);
    keepalive.delete(sockets[1] as Socket);
    expect(timers.pending).toBe(0);
    keepalive.delete(sockets[1] as Socket);
    keepalive.add(sockets[1] as Socket);
    timers.advance(KEEPALIVE_DELAY_MS);
    expect(told).toEqual([[1, true, TCP_KEEPALIVE_MS]]);
  });

  it('is turned on for a limited number in one turn of the event loop, the oldest first', () => {
    const { timers, told } = setUp(2 * KEEPALIVES_PER_TURN + 1);
    timers.advance(KEEPALIVE_DELAY_MS);
    expect(told).toHaveLength(KEEPALIVES_PER_TURN);
    timers.advance(KEEPALIVE_TURN_MS);
    expect(told).toHaveLength(2 * KEEPALIVES_PER_TURN);
    timers.advance(KEEPALIVE_TURN_MS);
    expect(told.map(([index]) => index)).toEqual(Array.from({ length: told.length }, (_, index) => index));
    expect([told.length, timers.pending]).toEqual([2 * KEEPALIVES_PER_TURN + 1, 0]);
  });
});
