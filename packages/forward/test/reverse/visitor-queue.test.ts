import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, expect, it, vi } from 'vitest';
import {
  MAX_VISITORS_PER_PEER,
  MAX_WAITING_VISITORS,
  WATCH_INTERVAL_MS,
} from '../../src/forward-constants.js';
import { VisitorQueue } from '../../src/reverse/visitor-queue.js';
import { SocketWatch, type Watched } from '../../src/socket-watch.js';
import { FakeStream } from '../fake-stream.js';
import { FakeTimers } from '../fake-timers.js';
import { socketPair } from '../sockets.js';

/** A socket that nothing happens to. */
const idle = { on: () => idle, off: () => idle } as unknown as Socket;

function setUp() {
  const timers = new FakeTimers();
  const permitted = { streams: Number.POSITIVE_INFINITY };
  const watch = new SocketWatch(timers);
  const queue = new VisitorQueue({
    openStream: () => (permitted.streams-- > 0 ? new FakeStream() : undefined),
    watch,
  });
  const carried: string[] = [];
  const enter = (listener: object, name = '', socket = idle) => {
    let isGone = false;
    const leave = queue.enter(listener, {
      socket,
      onPlace: () => void carried.push(name),
      onGone: () => {
        isGone = true;
      },
    });
    return { leave, isGone: () => isGone };
  };
  return { queue, enter, carried, permitted, timers, watch };
}

const fill = (count: number, enter: () => unknown): void => {
  for (let i = 0; i < count; i++) enter();
};

describe('the queue of visitors (spec reverse 7)', () => {
  it('leaves places for other listeners (spec reverse 7: "MUST NOT take another of these places")', () => {
    const { queue, enter } = setUp();
    const [crowded, second, third] = [{}, {}, {}];
    fill(MAX_VISITORS_PER_PEER, () => enter(crowded));
    expect([queue.carried, queue.waiting]).toEqual([512, 512]);
    fill(300, () => enter(second));
    expect(queue.carried).toBe(512 + 256);
    enter(third, 'third');
    expect(queue.carried).toBe(512 + 256 + 1);
  });

  it('lets a limited number wait', () => {
    const { queue, enter } = setUp();
    fill(512 + MAX_WAITING_VISITORS, () => enter(queue));
    expect(queue.waiting).toBe(MAX_WAITING_VISITORS);
    expect(enter(queue).leave).toBeUndefined();
    expect(enter({}).leave).toBeUndefined();
  });

  it('starts the visitors of a listener in order, and listeners in turn', () => {
    const { queue, enter, carried, permitted } = setUp();
    permitted.streams = 0;
    const [a, b] = [{}, {}];
    for (const name of ['a1', 'a2', 'a3']) enter(a, name);
    for (const name of ['b1', 'b2']) enter(b, name);
    permitted.streams = 4;
    queue.startWaiting();
    expect(carried).toEqual(['a1', 'b1', 'a2', 'b2']);
    permitted.streams = 1;
    queue.release(b);
    expect(carried.at(-1)).toBe('a3');
    expect([queue.carried, queue.waiting]).toEqual([4, 0]);
  });

  it('starts thousands of visitors that end at once without a deep stack', () => {
    const { queue, permitted } = setUp();
    permitted.streams = 0;
    const depths = new Set<number>();
    let depth = 0;
    const onPlace = () => {
      depths.add(++depth);
      queue.release(queue);
      depth--;
    };
    fill(MAX_WAITING_VISITORS, () => queue.enter(queue, { socket: idle, onPlace, onGone: () => undefined }));
    permitted.streams = Number.POSITIVE_INFINITY;
    queue.startWaiting();
    expect([[...depths], queue.carried, queue.waiting]).toEqual([[1], 0, 0]);
  });

  it('forgets a listener without visitors: it comes back as the last in line', () => {
    const { queue, enter, carried, permitted } = setUp();
    permitted.streams = 1;
    const [a, b, c] = [{}, {}, {}];
    enter(a);
    const leaveC = enter(c).leave;
    enter(b, 'b');
    queue.release(a);
    leaveC?.();
    enter(a, 'a');
    enter(c, 'c');
    permitted.streams = 3;
    queue.startWaiting();
    expect(carried.slice(1)).toEqual(['b', 'a', 'c']);
  });

  it.each<[string, (parts: ReturnType<typeof setUp>, leave?: () => void) => void]>([
    [
      'gets its place',
      ({ permitted, queue }) => {
        permitted.streams = 1;
        queue.startWaiting();
      },
    ],
    ['leaves', (_parts, leave) => leave?.()],
  ])('lets go of the socket of a visitor that %s', async (_what, end) => {
    const parts = setUp();
    const { enter, permitted, watch, timers } = parts;
    permitted.streams = 0;
    const { ours } = await socketPair();
    const listeners = () => [ours.listenerCount('close'), ours.listenerCount('error')];
    const before = listeners();
    const { leave, isGone } = enter({}, '', ours);
    expect(watch.size).toBe(1);
    end(parts, leave);
    expect([listeners(), watch.size]).toEqual([before, 0]);
    ours.on('error', () => undefined).destroy();
    await once(ours, 'close');
    timers.advance(WATCH_INTERVAL_MS);
    expect([isGone(), timers.pending]).toEqual([false, 0]);
  });

  it('forgets a visitor that leaves, and one whose place is given back', () => {
    const { queue, enter, permitted } = setUp();
    permitted.streams = 1;
    const listener = {};
    const first = enter(listener);
    const second = enter(listener);
    second.leave?.();
    second.leave?.();
    first.leave?.();
    expect([queue.carried, queue.waiting]).toEqual([1, 0]);
    queue.release(listener);
    queue.release(listener);
    expect(queue.carried).toBe(0);
  });

  it('survives an error of a waiting visitor, and ends one whose other end has vanished', async () => {
    const { enter, permitted, watch } = setUp();
    const added = vi.spyOn(watch, 'add');
    permitted.streams = 0;
    const { ours } = await socketPair();
    const { isGone } = enter({}, '', ours);
    expect(() => ours.emit('error', new Error('reset'))).not.toThrow();
    expect(isGone()).toBe(false);
    const [[watched]] = added.mock.calls as [[Watched]];
    watched.onVanished();
    await once(ours, 'close');
    expect(isGone()).toBe(true);
  });

  it('notices a visitor that gives up, also by a reset (spec forwarding 4.6)', async () => {
    const { queue, enter, permitted, timers } = setUp();
    permitted.streams = 0;
    const closing = await socketPair();
    const waiting = enter({}, '', closing.ours);
    closing.ours.destroy();
    await once(closing.ours, 'close');
    expect([waiting.isGone(), queue.waiting]).toEqual([true, 0]);

    const reset = await socketPair();
    reset.ours.pause();
    const vanished = enter({}, '', reset.ours);
    const isReset = once(reset.theirs, 'close');
    reset.theirs.resetAndDestroy();
    await isReset;
    while (!vanished.isGone()) {
      timers.advance(WATCH_INTERVAL_MS);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(queue.waiting).toBe(0);
  });
});
