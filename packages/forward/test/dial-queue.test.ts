import { describe, expect, it } from 'vitest';
import { DialQueue } from '../src/dial-queue.js';
import {
  DIAL_TIMEOUT_MS,
  DIALS_BURST,
  DIALS_PER_SECOND,
  MAX_DIALS_PER_PEER,
  MAX_WAITING_DIALS,
} from '../src/forward-constants.js';
import { FakeTimers } from './fake-timers.js';

function setUp() {
  let mayDial = true;
  const timers = new FakeTimers();
  const queue = new DialQueue({ mayDial: () => mayDial, timers, now: timers.now });
  const started: string[] = [];
  const enter = (target: string, what = target) => queue.enter(target, () => started.push(what));
  const enterMany = (target: string, count: number) =>
    Array.from({ length: count }, (_, index) => enter(target, `${target} ${index}`) as () => void);
  const permit = (may: boolean) => {
    mayDial = may;
    queue.startWaiting();
  };
  return { queue, timers, started, enter, enterMany, permit };
}

// spec forwarding 2.5: "MUST NOT take another of the 512 places"
describe('the queue of dials', () => {
  it('starts a request at once while there are places', () => {
    const { queue, started, enter } = setUp();
    const leave = enter('a');
    expect([started, queue.dials, queue.waiting]).toEqual([['a'], 1, 0]);
    leave?.();
    expect(queue.dials).toBe(0);
  });

  it('gives a target at most half of the free places, so that dead targets never block the next', () => {
    const { queue, started, enter, enterMany } = setUp();
    const shares: number[] = [];
    for (const target of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) {
      const before = queue.dials;
      enterMany(target, 100);
      shares.push(queue.dials - before);
    }
    expect(shares).toEqual([100, 100, 100, 100, 56, 28, 14, 7]);
    expect(queue.dials).toBeLessThan(MAX_DIALS_PER_PEER);
    enter('alive');
    expect(started.at(-1)).toBe('alive');
  });

  it('starts the requests of one target in order of arrival, as its places come back', () => {
    const { queue, started, enterMany } = setUp();
    const leaves = enterMany('a', 300);
    expect([queue.dials, queue.waiting]).toEqual([256, 44]);
    leaves[7]?.();
    expect([queue.dials, started.at(-1)]).toEqual([256, 'a 256']);
    leaves[299]?.();
    expect(queue.waiting).toBe(42);
    for (const leave of leaves.slice(0, 7)) leave();
    expect(started.at(-1)).toBe('a 263');
  });

  it('lets targets take turns when places come back', () => {
    const { started, enterMany, permit } = setUp();
    permit(false);
    enterMany('a', 3);
    enterMany('b', 2);
    expect(started).toEqual([]);
    permit(true);
    expect(started).toEqual(['a 0', 'b 0', 'a 1', 'b 1', 'a 2']);
  });

  it.each([
    ['was dialled', true],
    ['was waiting', false],
  ])(
    'forgets a target of which nothing is left after it %s: it comes back as the last in line',
    (_what, isDialled) => {
      const { started, enter, permit } = setUp();
      permit(isDialled);
      const leave = enter('a');
      permit(false);
      enter('b');
      leave?.();
      enter('a', 'a again');
      started.length = 0;
      permit(true);
      expect(started).toEqual(['b', 'a again']);
    },
  );

  it('keeps the turn of a target that still has a dial', () => {
    const { started, enter, permit } = setUp();
    const leaves = [enter('a'), enter('a')];
    permit(false);
    enter('b');
    leaves[0]?.();
    enter('a', 'a again');
    started.length = 0;
    permit(true);
    expect(started).toEqual(['a again', 'b']);
  });

  it('limits how many requests wait', () => {
    const { queue, enter, enterMany, permit } = setUp();
    permit(false);
    const leaves = enterMany('a', MAX_WAITING_DIALS);
    expect([enter('a'), enter('b'), queue.waiting]).toEqual([undefined, undefined, MAX_WAITING_DIALS]);
    leaves[0]?.();
    expect(enter('b')).toBeDefined();
  });

  // spec forwarding 2.5: "in a second, on average"
  it('starts a burst at once, and then as many in a second as the rate allows', () => {
    const { queue, timers, started } = setUp();
    const startAndEnd = (count: number) => {
      for (let n = 0; n < count; n++) {
        let leave: (() => void) | undefined;
        let isOver = false;
        leave = queue.enter('a', () => {
          started.push('a');
          isOver = true;
          leave?.();
        });
        if (isOver) leave?.();
      }
    };
    startAndEnd(DIALS_BURST);
    expect([started.length, queue.waiting]).toEqual([DIALS_BURST, 0]);
    startAndEnd(MAX_WAITING_DIALS);
    expect([started.length, queue.waiting, timers.pending]).toEqual([DIALS_BURST, MAX_WAITING_DIALS, 1]);
    const tokenMs = Math.ceil(1000 / DIALS_PER_SECOND);
    expect(timers.delaysMs).toEqual([tokenMs]);
    timers.advance(1000);
    // It wakes for each token, and not in between.
    expect(timers.delaysMs.length).toBeLessThanOrEqual(1000 / tokenMs + 1);
    expect(started.length).toBe(DIALS_BURST + DIALS_PER_SECOND);
    timers.advance(DIAL_TIMEOUT_MS);
    expect([started.length, queue.waiting, timers.pending]).toEqual([DIALS_BURST + MAX_WAITING_DIALS, 0, 0]);
    timers.advance(1000);
    startAndEnd(DIALS_PER_SECOND);
    expect(queue.waiting).toBe(0);
  });

  // spec forwarding 2.5: "stops counting when its target has accepted it"
  it('does not count connections that targets accept', () => {
    const { queue } = setUp();
    for (let n = 0; n < 3 * DIALS_BURST; n++) {
      const leave = queue.enter('a', () => queue.onAccepted());
      leave?.();
    }
    expect(queue.waiting).toBe(0);
    expect(queue.takeToken()).toBe(true);
  });

  it('starts thousands of requests that end at once without a deep stack', () => {
    const { queue, permit } = setUp();
    permit(false);
    let count = 0;
    let depth = 0;
    const depths = new Set<number>();
    for (let i = 0; i < MAX_WAITING_DIALS; i++) {
      const leave = queue.enter('a', () => {
        depths.add(++depth);
        count++;
        leave?.();
        depth--;
      });
    }
    permit(true);
    expect([count, queue.dials, queue.waiting]).toEqual([MAX_WAITING_DIALS, 0, 0]);
    expect([...depths]).toEqual([1]);
  });
});
