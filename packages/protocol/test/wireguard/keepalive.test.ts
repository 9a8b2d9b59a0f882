/** When a keepalive is due, and when silence calls for a handshake, without keys or messages (spec session 5.4, 6). */
import { describe, expect, it } from 'vitest';
import {
  KEEPALIVE_TIMEOUT_MS,
  MAX_PERSISTENT_KEEPALIVE_MS,
  MIN_PERSISTENT_KEEPALIVE_MS,
  NO_ANSWER_TIMEOUT_MS,
} from '../../src/wireguard/constants.js';
import { Keepalive } from '../../src/wireguard/keepalive.js';
import { Timers } from '../../src/wireguard/timers.js';

function setUp(persistentMs = 0) {
  const timers = new Timers(() => {});
  /** The timers that are set. */
  const due = () => Object.fromEntries(timers.all.map(({ reason, at }) => [reason, at]));
  return { keepalive: new Keepalive(timers, persistentMs), due };
}

describe('a keepalive that is wanted', () => {
  it('is taken once', () => {
    const { keepalive } = setUp();
    expect(keepalive.take()).toBe(false);
    keepalive.want();
    expect([keepalive.take(), keepalive.take()]).toEqual([true, false]);
  });

  it.each<[string, (keepalive: Keepalive) => void]>([
    ['anything was sent before', (keepalive) => keepalive.onSent(0, false)],
    ['the keys are gone', (keepalive) => keepalive.stop()],
  ])('is not sent if %s', (_why, happen) => {
    const { keepalive } = setUp();
    keepalive.want();
    happen(keepalive);
    expect(keepalive.take()).toBe(false);
  });
});

describe('the passive keepalive (spec session 6.2)', () => {
  const passiveAt = KEEPALIVE_TIMEOUT_MS;

  it('is due 10 s after the first data, whatever comes after it', () => {
    const { keepalive, due } = setUp();
    keepalive.onDataReceived(0);
    keepalive.onDataReceived(5_000);
    keepalive.onReceived(6_000);
    expect(due()).toEqual({ 'passive-keepalive': passiveAt });
  });

  it('is followed by another one if more data came meanwhile, and by none if not', () => {
    for (const more of [true, false]) {
      const { keepalive, due } = setUp();
      keepalive.onDataReceived(0);
      if (more) keepalive.onDataReceived(5_000);
      keepalive.onSent(passiveAt, true);
      expect(due()).toEqual(more ? { 'passive-keepalive': 2 * passiveAt } : {});
      keepalive.onSent(2 * passiveAt, true);
      expect(due()).toEqual({});
    }
  });

  it.each<[string, (keepalive: Keepalive) => void]>([
    ['data was sent', (keepalive) => keepalive.onSent(7_000, false)],
    ['handshakes got no response', (keepalive) => keepalive.forgetData()],
    ['the keys are gone', (keepalive) => keepalive.stop()],
  ])('is not due any more once %s, and nor is another one', (_why, happen) => {
    const { keepalive, due } = setUp();
    keepalive.onDataReceived(0);
    keepalive.onDataReceived(5_000);
    happen(keepalive);
    expect(due()).toEqual({});
    keepalive.onDataReceived(8_000);
    keepalive.onSent(18_000, true);
    expect(due()).toEqual({});
  });
});

describe('the wait for an answer (spec session 5.4)', () => {
  it('begins with the first data, and ends with anything that arrives or with the keys', () => {
    const { keepalive, due } = setUp();
    keepalive.onDataSent(0, 7);
    keepalive.onDataSent(5_000, 9);
    expect(due()).toEqual({ 'no-answer': NO_ANSWER_TIMEOUT_MS + 7 });
    keepalive.onReceived(6_000);
    expect(due()).toEqual({});
    keepalive.onDataSent(7_000, 1);
    expect(due()).toEqual({ 'no-answer': 7_000 + NO_ANSWER_TIMEOUT_MS + 1 });
    keepalive.forgetData();
    expect(due()['no-answer']).toBeDefined();
    keepalive.stop();
    expect(due()).toEqual({});
  });
});

describe('the persistent keepalive (spec session 6.4)', () => {
  const INTERVAL_MS = 20_000;

  it('is due at once, and then at its interval after anything that was sent or received', () => {
    const { keepalive, due } = setUp(INTERVAL_MS);
    expect(due()).toEqual({ 'persistent-keepalive': 0 });
    keepalive.repeat(0);
    expect([due(), keepalive.take()]).toEqual([{ 'persistent-keepalive': INTERVAL_MS }, true]);
    keepalive.onSent(3_000, true);
    expect(due()).toEqual({ 'persistent-keepalive': 3_000 + INTERVAL_MS });
    keepalive.onReceived(4_000);
    expect(due()).toEqual({ 'persistent-keepalive': 4_000 + INTERVAL_MS });
    keepalive.stop();
    expect(due()).toEqual({ 'persistent-keepalive': 4_000 + INTERVAL_MS });
  });

  it('is never due if it is off', () => {
    const { keepalive, due } = setUp();
    keepalive.onSent(0, false);
    keepalive.onReceived(0);
    expect(due()).toEqual({});
  });

  it.each([
    [0, true],
    [MIN_PERSISTENT_KEEPALIVE_MS - 1, false],
    [MIN_PERSISTENT_KEEPALIVE_MS, true],
    [MAX_PERSISTENT_KEEPALIVE_MS, true],
    [MAX_PERSISTENT_KEEPALIVE_MS + 1, false],
  ])('has an interval of 1 s to 65535 s: %i ms', (ms, isAllowed) => {
    if (isAllowed) expect(() => setUp(ms)).not.toThrow();
    else expect(() => setUp(ms)).toThrow('a persistent keepalive is off or every 1 s to 65535 s');
  });
});
