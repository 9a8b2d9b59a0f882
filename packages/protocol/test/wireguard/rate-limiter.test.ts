import { readVectors } from '@underpass/testkit/crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  MAX_RATE_LIMITED_SOURCES,
  RATE_LIMIT_BURST,
  RATE_LIMIT_IDLE_MS,
  RATE_LIMIT_PER_SECOND,
} from '../../src/wireguard/constants.js';
import { RateLimiter, sourceOf } from '../../src/wireguard/rate-limiter.js';

const { rate_limiter: vectors } = readVectors<{
  readonly rate_limiter: {
    readonly packets_per_second: number;
    readonly burst: number;
    readonly steps: readonly { readonly wait_ms: number; readonly allow: boolean }[];
  };
}>('replay_window.json');

describe('the rate limiter (spec handshake 6.3)', () => {
  it('allows and refuses as the test vectors say', () => {
    expect(vectors.packets_per_second).toBe(RATE_LIMIT_PER_SECOND);
    expect(vectors.burst).toBe(RATE_LIMIT_BURST);
    const limiter = new RateLimiter();
    let now = 0;
    for (const [step, { wait_ms, allow }] of vectors.steps.entries()) {
      now += wait_ms;
      expect([step, limiter.allow(now, '192.0.2.1')]).toEqual([step, allow]);
      expect([step, limiter.allow(now, '2001:db8::1')]).toEqual([step, allow]);
    }
  });

  it('allows no source more than its burst plus 20 a second, over any period', () => {
    const COST_MS = 1000 / RATE_LIMIT_PER_SECOND;
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.nat(10), fc.nat(1500)), { maxLength: 100, size: 'max' }), (waits) => {
        const limiter = new RateLimiter();
        const allowedAt: number[] = [];
        let now = 0;
        for (const wait of waits) {
          now += wait;
          if (limiter.allow(now, '192.0.2.1')) allowedAt.push(now);
        }
        for (const [i, first] of allowedAt.entries()) {
          for (const [j, last] of allowedAt.entries()) {
            if (j < i) continue;
            expect(j - i + 1).toBeLessThanOrEqual(RATE_LIMIT_BURST + (last - first) / COST_MS);
          }
        }
      }),
    );
  });

  it('lets a source that is not forgotten save up its burst and no more', () => {
    const limiter = new RateLimiter();
    limiter.allow(0, '192.0.2.1');
    const allowed = Array.from({ length: 10 }, () => limiter.allow(RATE_LIMIT_IDLE_MS - 1, '192.0.2.1'));
    expect(allowed.filter(Boolean)).toHaveLength(RATE_LIMIT_BURST);
  });

  it('always allows a source that keeps to the rate', () => {
    const limiter = new RateLimiter();
    for (let i = 0; i < 200; i++) {
      expect(limiter.allow(i * 50, '192.0.2.1')).toBe(true);
    }
  });

  it('counts each source separately', () => {
    const limiter = new RateLimiter();
    for (let i = 0; i < 6; i++) limiter.allow(0, '192.0.2.1');
    expect(limiter.allow(0, '192.0.2.1')).toBe(false);
    expect(limiter.allow(0, '192.0.2.2')).toBe(true);
    expect(limiter.sources).toBe(2);
  });

  it('counts an IPv6 /64 as one source, and the next /64 as another', () => {
    const limiter = new RateLimiter();
    const allowed = Array.from({ length: 8 }, (_, i) => limiter.allow(0, `2001:db8:0:1:${i}::${i}`));
    expect(allowed.filter(Boolean)).toHaveLength(RATE_LIMIT_BURST);
    expect(limiter.sources).toBe(1);
    expect(limiter.allow(0, '2001:db8:0:2::1')).toBe(true);
  });

  it('forgets a source that has been idle for a second', () => {
    const limiter = new RateLimiter();
    limiter.allow(0, '192.0.2.1');
    limiter.allow(500, '192.0.2.2');
    limiter.allow(RATE_LIMIT_IDLE_MS - 1, '192.0.2.3');
    expect(limiter.sources).toBe(3);
    limiter.allow(RATE_LIMIT_IDLE_MS, '192.0.2.3');
    expect(limiter.sources).toBe(2);
    limiter.allow(5 * RATE_LIMIT_IDLE_MS, '192.0.2.4');
    expect(limiter.sources).toBe(1);
  });

  it('remembers a limited number of sources, and refuses further ones until some are idle', () => {
    const limiter = new RateLimiter();
    for (let i = 0; i < MAX_RATE_LIMITED_SOURCES; i++) {
      limiter.allow(0, `10.${i >>> 16}.${(i >>> 8) & 255}.${i & 255}`);
    }
    expect(limiter.allow(1, '192.0.2.1')).toBe(false);
    expect(limiter.allow(1, '10.0.0.0')).toBe(true);
    expect(limiter.sources).toBe(MAX_RATE_LIMITED_SOURCES);
    expect(limiter.allow(RATE_LIMIT_IDLE_MS, '192.0.2.1')).toBe(true);
    expect(limiter.sources).toBe(2);
  });
});

describe('the source of an address', () => {
  it('is the address itself for IPv4', () => {
    expect(sourceOf('192.0.2.1')).toBe('192.0.2.1');
  });

  it.each([
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002:0003:0004:0005:0006', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
    ['::1:2:3:4:5:192.0.2.1', '0:1:2:3::/64'],
  ])('of %s is %s', (address, source) => {
    expect(sourceOf(address)).toBe(source);
  });

  it('does not depend on the notation of the address', () => {
    const group = fc.oneof(fc.constant(0), fc.nat(0xffff));
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        const full = groups.map((value) => value.toString(16).padStart(4, '0')).join(':');
        const shortest = new URL(`http://[${full}]`).hostname.slice(1, -1);
        expect(sourceOf(shortest)).toBe(sourceOf(full));
      }),
    );
  });
});
