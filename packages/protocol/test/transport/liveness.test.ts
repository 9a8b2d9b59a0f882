import { describe, expect, it } from 'vitest';
import { MIN_QUIET_MS, QUIET_PTOS, STREAM_KEEPALIVE_MS } from '../../src/transport/limits.js';
import { Liveness } from '../../src/transport/liveness.js';

const PTO_MS = 200;
const QUIET_MS = QUIET_PTOS * PTO_MS;

describe('when a client asks a silent relay whether it is there (spec outage 3)', () => {
  it('is shortly after data stopped arriving, and then every 25 s', () => {
    const liveness = new Liveness(true);
    liveness.onReceived(1_000, true, PTO_MS);
    expect(liveness.pollTimeout(1)).toEqual({ at: 1_000 + QUIET_MS, reason: 'liveness' });
    expect(liveness.takeDue(1_000 + QUIET_MS - 1, 1)).toBe(false);
    expect(liveness.takeDue(1_000 + QUIET_MS, 1)).toBe(true);
    const next = 1_000 + QUIET_MS + STREAM_KEEPALIVE_MS;
    expect(liveness.pollTimeout(1)?.at).toBe(next);
    expect([liveness.takeDue(next - 1, 1), liveness.takeDue(next, 1)]).toEqual([false, true]);
    expect(liveness.pollTimeout(1)?.at).toBe(next + STREAM_KEEPALIVE_MS);
  });

  it('is no sooner than 250 ms after it, on a path with a short round trip', () => {
    const liveness = new Liveness(true);
    liveness.onReceived(0, true, 10);
    expect(liveness.pollTimeout(1)?.at).toBe(MIN_QUIET_MS);
  });

  it('counts from the last packet, and soon only if data came since it asked last', () => {
    const liveness = new Liveness(true);
    liveness.onReceived(0, false, PTO_MS);
    expect(liveness.pollTimeout(1)?.at).toBe(STREAM_KEEPALIVE_MS);
    liveness.onReceived(10, true, PTO_MS);
    liveness.onReceived(20, false, PTO_MS);
    expect(liveness.pollTimeout(1)?.at).toBe(20 + QUIET_MS);
    liveness.takeDue(20 + QUIET_MS, 1);
    // The answer acknowledges, and brings no data.
    liveness.onReceived(500, false, PTO_MS);
    expect(liveness.pollTimeout(1)?.at).toBe(500 + STREAM_KEEPALIVE_MS);
  });

  it('is never while no stream is open', () => {
    const liveness = new Liveness(true);
    expect(liveness.pollTimeout(1)).toBeUndefined();
    liveness.onReceived(0, true, PTO_MS);
    expect(liveness.pollTimeout(0)).toBeUndefined();
    expect(liveness.takeDue(QUIET_MS, 0)).toBe(false);
    expect(liveness.pollTimeout(1)?.at).toBe(QUIET_MS + STREAM_KEEPALIVE_MS);
  });

  it('is never on a relay', () => {
    const liveness = new Liveness(false);
    liveness.onReceived(0, true, PTO_MS);
    expect([liveness.pollTimeout(1), liveness.takeDue(1e9, 1)]).toEqual([undefined, false]);
  });
});
