import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { SocketWatch } from '@underpass/forward';
import type { Stream } from '@underpass/protocol';
import { describe, expect, it } from 'vitest';
import { MAX_WAITING_PROGRAMS, PLACE_TIMEOUT_MS } from '../src/client-constants.js';
import { PlaceQueue } from '../src/place-queue.js';
import { FakeTimers } from './fake-timers.js';

class FakeSocket extends EventEmitter {
  writable = true;
  readonly _handle = { getpeername: () => this.answer };
  answer = 0;

  destroy(): void {
    this.emit('close');
  }
}

function setUp(options: { readonly streams: number; readonly maxConnections?: number }) {
  const state = { streams: options.streams, isReachable: true };
  const timers = new FakeTimers();
  const queue = new PlaceQueue({
    maxConnections: options.maxConnections ?? 1000,
    openStream: () => (state.streams-- > 0 ? ({} as Stream) : undefined),
    isReachable: () => state.isReachable,
    watch: new SocketWatch(timers),
    timers,
  });
  const heard: string[] = [];
  const enter = (name: string): FakeSocket => {
    const socket = new FakeSocket();
    queue.enter({
      socket: socket as unknown as Socket,
      onPlace: () => heard.push(`${name} placed`),
      onRefused: () => heard.push(`${name} refused`),
      onLeft: () => heard.push(`${name} left`),
    });
    return socket;
  };
  const permit = (streams: number): void => {
    state.streams = streams;
    queue.startWaiting();
  };
  return { queue, enter, permit, heard, timers, state };
}

// spec forwarding 2.5: "MUST let further connections of local programs wait"
describe('local connections that need a place', () => {
  it('get one at once while there are streams, and wait in order when there are none', () => {
    const { enter, permit, heard, queue } = setUp({ streams: 1 });
    for (const name of ['a', 'b', 'c', 'd']) enter(name);
    expect([heard, queue.waiting]).toEqual([['a placed'], 3]);
    permit(2);
    expect([heard, queue.waiting]).toEqual([['a placed', 'b placed', 'c placed'], 1]);
  });

  it('do not overtake waiting ones', () => {
    const { enter, heard, state, queue } = setUp({ streams: 0 });
    enter('a');
    state.streams = 1;
    enter('b');
    expect(heard).toEqual([]);
    queue.startWaiting();
    expect(heard).toEqual(['a placed']);
  });

  it('wait while all connections are in use', () => {
    const { enter, heard, queue } = setUp({ streams: 10, maxConnections: 1 });
    enter('a');
    enter('b');
    expect(heard).toEqual(['a placed']);
    queue.release();
    expect(heard).toEqual(['a placed', 'b placed']);
  });

  it('are refused after 10 s, but not while the relay is silent', async () => {
    const { enter, heard, timers, state } = setUp({ streams: 0 });
    enter('a').writable = false; // so that the watch does not ask the kernel
    state.isReachable = false;
    await timers.runTo(PLACE_TIMEOUT_MS);
    expect(heard).toEqual([]);
    state.isReachable = true;
    await timers.runTo(2 * PLACE_TIMEOUT_MS - 1);
    expect(heard).toEqual([]);
    await timers.runTo(2 * PLACE_TIMEOUT_MS);
    expect(heard).toEqual(['a refused']);
    await timers.runTo(3 * PLACE_TIMEOUT_MS);
    expect([heard.length, timers.pending]).toEqual([1, 0]);
  });

  it('leave the queue when their program gives up, even if only the kernel notices (spec forwarding 4.6)', async () => {
    const { enter, permit, heard, queue, timers } = setUp({ streams: 0 });
    enter('a');
    const reset = enter('b');
    const vanished = enter('c');
    reset.emit('error', new Error('ECONNRESET'));
    reset.destroy();
    vanished.answer = -107;
    await timers.runTo(1000);
    expect([heard, queue.waiting]).toEqual([['b left', 'c left'], 1]);
    permit(3);
    expect(heard.at(-1)).toBe('a placed');
    expect(reset.listenerCount('close')).toBe(0);
  });

  it('are refused when too many wait', () => {
    const { enter, heard, queue } = setUp({ streams: 0 });
    for (let i = 0; i < MAX_WAITING_PROGRAMS; i++) enter(`${i}`);
    enter('one more');
    expect([heard, queue.waiting]).toEqual([['one more refused'], MAX_WAITING_PROGRAMS]);
  });

  it('leave nothing behind on their socket and no timer, whether they get a place or are refused', async () => {
    const { enter, permit, heard, timers } = setUp({ streams: 0 });
    const [placed, refused] = [enter('a'), enter('b')];
    permit(1);
    await timers.runTo(PLACE_TIMEOUT_MS);
    expect(heard).toEqual(['a placed', 'b refused']);
    for (const socket of [placed, refused]) expect(socket.eventNames()).toEqual([]);
    await timers.runTo(10 * PLACE_TIMEOUT_MS);
    expect(timers.pending).toBe(0);
  });
});
