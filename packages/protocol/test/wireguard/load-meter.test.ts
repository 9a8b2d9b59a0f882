import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UNDER_LOAD_HANDSHAKES_PER_SECOND, UNDER_LOAD_HOLD_MS } from '../../src/wireguard/constants.js';
import { LoadMeter } from '../../src/wireguard/load-meter.js';

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

  it('does not begin while no second has more messages than the limit', () => {
    const meter = new LoadMeter();
    for (let second = 0; second < 10; second++) {
      expect(countMany(meter, second * 1000, UNDER_LOAD_HANDSHAKES_PER_SECOND)).toBe(false);
    }
  });

  it('counts within any second, wherever that begins', () => {
    const meter = new LoadMeter();
    meter.count(0);
    expect(countMany(meter, 999, UNDER_LOAD_HANDSHAKES_PER_SECOND - 1)).toBe(false);
    expect(meter.count(1000)).toBe(false);
    expect(meter.count(1000)).toBe(true);
  });

  it('agrees with a plain count of the messages of the last second', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(15), { minLength: 129, maxLength: 400, size: 'max' }), (waits) => {
        const meter = new LoadMeter();
        const times: number[] = [];
        let now = 0;
        let until = Number.NEGATIVE_INFINITY;
        for (const wait of waits) {
          now += wait;
          times.push(now);
          const counted = times.filter((time) => now - time < 1000).length;
          if (counted > UNDER_LOAD_HANDSHAKES_PER_SECOND) until = now + UNDER_LOAD_HOLD_MS;
          expect(meter.count(now)).toBe(now < until);
        }
      }),
    );
  });

  it('lasts for a second after the last message above the limit', () => {
    const meter = new LoadMeter();
    countMany(meter, 100, UNDER_LOAD_HANDSHAKES_PER_SECOND + 1);
    expect(meter.count(100 + UNDER_LOAD_HOLD_MS)).toBe(false);
    countMany(meter, 2000, UNDER_LOAD_HANDSHAKES_PER_SECOND + 1);
    expect(meter.count(2000 + UNDER_LOAD_HOLD_MS - 1)).toBe(true);
  });

  it('continues while messages keep coming too fast', () => {
    const meter = new LoadMeter();
    countMany(meter, 0, UNDER_LOAD_HANDSHAKES_PER_SECOND + 1);
    for (let now = 1; now < 10_000; now += 2) expect([now, meter.count(now)]).toEqual([now, true]);
  });
});
