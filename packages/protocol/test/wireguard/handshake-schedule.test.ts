/** When the messages of a handshake are sent, without keys or messages (spec session 5.5 to 5.7). */
import { describe, expect, it } from 'vitest';
import {
  INITIATION_COPY_INTERVAL_MS,
  INITIATION_COPY_MS,
  MAX_HANDSHAKE_TRIES,
  REKEY_TIMEOUT_JITTER_MS,
  REKEY_TIMEOUT_MS,
  RESPONSE_COPY_MS,
} from '../../src/wireguard/constants.js';
import { HandshakeSchedule } from '../../src/wireguard/handshake-schedule.js';
import { Timer, Timers } from '../../src/wireguard/timers.js';

/** A schedule whose random times count up: the first is 1 ms. */
function setUp() {
  let drawn = 0;
  const timers = new Timers(() => {});
  /** The timers that are set. */
  const due = () => Object.fromEntries(timers.all.map(({ reason, at }) => [reason, at]));
  const schedule = new HandshakeSchedule(timers, () => Uint8Array.of(++drawn, 0, 0, 0));
  /** Sends the initiation that is due. */
  const initiate = (now: number): void => {
    expect(schedule.takeTry()).toBe(true);
    schedule.beginTry(now);
    schedule.onInitiated(now);
  };
  /** Does as the owner does when the retry timer fires. */
  const retry = (): boolean => {
    timers.cancel(Timer.handshakeRetry);
    return schedule.retry();
  };
  return { schedule, timers, due, initiate, retry };
}

describe('a try', () => {
  it('is due at once, and is taken once', () => {
    const { schedule } = setUp();
    expect([schedule.isTryDue, schedule.takeTry()]).toEqual([false, false]);
    expect(schedule.want(0)).toBe(true);
    expect([schedule.isTryDue, schedule.isTrying]).toEqual([true, false]);
    expect([schedule.takeTry(), schedule.takeTry()]).toEqual([true, false]);
  });

  it('waits until 5 s after the last one, and a random time, if one was made before', () => {
    const { schedule, due, initiate } = setUp();
    schedule.want(1_000);
    initiate(1_000);
    schedule.stop();
    expect(schedule.want(1_000 + REKEY_TIMEOUT_MS - 1)).toBe(false);
    expect(due()).toEqual({ 'handshake-retry': 1_000 + REKEY_TIMEOUT_MS + schedule.jitterMs });
    schedule.stop();
    expect(schedule.want(1_000 + REKEY_TIMEOUT_MS)).toBe(true);
  });

  it('is followed by another after 5 s and another random time', () => {
    const { schedule, due, initiate, retry } = setUp();
    schedule.want(0);
    const jitters = new Set<number>();
    for (let now = 0; now < 20_000; now = due()['handshake-retry'] as number) {
      if (now > 0) expect(retry()).toBe(true);
      initiate(now);
      expect(due()['handshake-retry']).toBe(now + REKEY_TIMEOUT_MS + schedule.jitterMs);
      expect(schedule.jitterMs).toBeLessThanOrEqual(REKEY_TIMEOUT_JITTER_MS);
      jitters.add(schedule.jitterMs);
    }
    expect(jitters.size).toBe(4);
  });

  it('is the last after MAX_HANDSHAKE_TRIES, unless a handshake is wanted meanwhile', () => {
    for (const wantsAgain of [false, true]) {
      const { schedule, initiate, retry } = setUp();
      schedule.want(0);
      for (let n = 0; n < MAX_HANDSHAKE_TRIES; n++) {
        initiate(n * 6_000);
        if (wantsAgain && n === 3) expect(schedule.want(n * 6_000)).toBe(false);
        if (n < MAX_HANDSHAKE_TRIES - 1) expect(retry()).toBe(true);
      }
      expect(retry()).toBe(wantsAgain);
    }
  });
});

describe('a try that the limit of an unproven address holds back (spec path 2)', () => {
  it('counts as lost: the next one follows 5 s and a random time later, and the last one ends them', () => {
    const { schedule, due, retry } = setUp();
    schedule.want(0);
    for (let n = 0; n < MAX_HANDSHAKE_TRIES; n++) {
      expect(schedule.takeTry()).toBe(true);
      schedule.onHeldBack(n * 6_000);
      expect(due()).toEqual({ 'handshake-retry': n * 6_000 + REKEY_TIMEOUT_MS + schedule.jitterMs });
      expect(retry()).toBe(n < MAX_HANDSHAKE_TRIES - 1);
    }
  });

  it('is due as soon as the address is proven, once', () => {
    const { schedule, due } = setUp();
    schedule.want(0);
    schedule.takeTry();
    expect(schedule.release()).toBe(false);
    schedule.onHeldBack(0);
    expect(schedule.release()).toBe(true);
    expect([schedule.isTryDue, due()]).toEqual([true, {}]);
    expect(schedule.release()).toBe(false);
  });

  it('is no longer held back once another was taken, or the handshake is over', () => {
    const { schedule, initiate, retry } = setUp();
    schedule.want(0);
    schedule.takeTry();
    schedule.onHeldBack(0);
    retry();
    initiate(6_000);
    expect(schedule.release()).toBe(false);
    retry();
    schedule.takeTry();
    schedule.onHeldBack(12_000);
    schedule.stop();
    expect(schedule.release()).toBe(false);
  });
});

describe('copies (spec session 5.7)', () => {
  it('of an initiation come after 0.4 s, 0.8 s more, and then every second, until the next try', () => {
    const { schedule, timers, due, initiate, retry } = setUp();
    schedule.want(0);
    initiate(0);
    const copiedAt: number[] = [];
    const copyAll = (): void => {
      copiedAt.length = 0;
      for (let at = due()['initiation-copy']; at !== undefined; at = due()['initiation-copy']) {
        timers.cancel(Timer.initiationCopy);
        schedule.copyInitiation();
        expect([schedule.takeCopy(), schedule.takeCopy()]).toEqual([true, false]);
        schedule.onInitiationCopied(at);
        copiedAt.push(at);
      }
    };
    copyAll();
    const first = INITIATION_COPY_MS[0];
    const second = first + INITIATION_COPY_MS[1];
    const expected = [first, second];
    for (
      let at = second + INITIATION_COPY_INTERVAL_MS;
      at < REKEY_TIMEOUT_MS;
      at += INITIATION_COPY_INTERVAL_MS
    )
      expected.push(at);
    expect(copiedAt).toEqual(expected);
    // A new initiation has copies of its own, and none of the last one is due any more.
    retry();
    schedule.copyInitiation();
    initiate(6_000);
    expect(schedule.takeCopy()).toBe(false);
    copyAll();
    expect(copiedAt).toEqual(expected.map((at) => 6_000 + at));
  });

  it('do not come at the time of the next try', () => {
    const { schedule, timers, due, initiate } = setUp();
    schedule.want(0);
    initiate(0);
    for (const [copiedAt, next] of [
      [REKEY_TIMEOUT_MS - INITIATION_COPY_MS[1] - 1, REKEY_TIMEOUT_MS - 1],
      [REKEY_TIMEOUT_MS - INITIATION_COPY_INTERVAL_MS, undefined],
    ] as const) {
      timers.cancel(Timer.initiationCopy);
      schedule.onInitiationCopied(copiedAt);
      expect(due()['initiation-copy']).toBe(next);
    }
  });

  it('of a response come twice, and start over with the next response', () => {
    const { schedule, timers, due } = setUp();
    for (const start of [0, 10_000]) {
      schedule.onResponded();
      let now = start;
      for (const delayMs of RESPONSE_COPY_MS) {
        schedule.onResponseSent(now);
        expect(due()).toEqual({ 'response-copy': now + delayMs });
        now += delayMs;
        timers.cancel(Timer.responseCopy);
      }
      schedule.onResponseSent(now);
      expect(due()).toEqual({});
    }
  });
});

it('the end of a handshake leaves nothing due, and the next one has all its tries', () => {
  const { schedule, due, initiate, retry } = setUp();
  schedule.want(0);
  for (let n = 0; n < MAX_HANDSHAKE_TRIES - 1; n++) {
    initiate(n * 6_000);
    retry();
  }
  schedule.copyInitiation();
  schedule.onResponseSent(0);
  schedule.stop();
  expect(due()).toEqual({});
  expect([schedule.takeTry(), schedule.takeCopy(), schedule.isTrying]).toEqual([false, false, false]);
  schedule.want(1_000_000);
  initiate(1_000_000);
  expect(retry()).toBe(true);
  initiate(1_006_000);
  expect(retry()).toBe(true);
});
