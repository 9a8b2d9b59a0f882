import { describe, expect, it } from 'vitest';
import { UNDER_LOAD_HANDSHAKES_PER_SECOND, UNDER_LOAD_HOLD_MS } from '../../src/constants.js';
import { LoadMeter } from '../../src/handshake/load-meter.js';

function countMany(meter: LoadMeter, now: number, times: number): boolean {
  let underLoad = false;
  for (let i = 0; i < times; i++) underLoad = meter.count(now);
  return underLoad;
}

describe('being under load (spec handshake 6.1)', () => {
  it('begins with the message above the limit', () => {
    const meter = new LoadMeter();
    expect(countMany(meter, 0, UNDER_LOAD_HANDSHAKES_PER_SECOND)).toBe(false);
    expect(meter.count(999)).toBe(true);
  });

  it('does not begin when as many come in more than a second', () => {
    const meter = new LoadMeter();
    for (let second = 0; second < 10; second++) {
      expect(countMany(meter, second * 1000, UNDER_LOAD_HANDSHAKES_PER_SECOND)).toBe(false);
    }
  });

  it('lasts for a second after the last message above the limit', () => {
    const meter = new LoadMeter();
    countMany(meter, 100, UNDER_LOAD_HANDSHAKES_PER_SECOND + 1);
    expect(meter.count(100 + UNDER_LOAD_HOLD_MS)).toBe(false);
    countMany(meter, 2000, UNDER_LOAD_HANDSHAKES_PER_SECOND + 1);
    expect(meter.count(2000 + UNDER_LOAD_HOLD_MS - 1)).toBe(true);
  });

  it('goes on as long as messages keep coming', () => {
    const meter = new LoadMeter();
    countMany(meter, 0, UNDER_LOAD_HANDSHAKES_PER_SECOND + 1);
    for (let now = 1; now < 10_000; now += 2) expect([now, meter.count(now)]).toEqual([now, true]);
  });
});
