import { describe, expect, it } from 'vitest';
import type { Farewell } from '../../src/endpoint/farewell.js';
import { Farewells } from '../../src/endpoint/farewells.js';
import { FAREWELL_COPY_MS, MAX_FAREWELLS, MAX_REPEATED_FAREWELLS } from '../../src/transport/limits.js';

const TO = { address: '192.0.2.1', port: 40_000 };
const farewell = (expiresAt = Number.POSITIVE_INFINITY): Farewell => ({
  to: TO,
  isProven: true,
  datagram: new Uint8Array(96),
  expiresAt,
});

/** Polls whenever a farewell is due. @returns when farewells were sent, up to the end */
function sendAll(farewells: Farewells, until = 100_000): number[] {
  const sentAt: number[] = [];
  for (let now = 0; now <= until; now = farewells.pollTimeout()?.at ?? Number.POSITIVE_INFINITY) {
    while (farewells.poll(now) !== undefined) sentAt.push(now);
  }
  return sentAt;
}

describe('Farewells (spec streams 8.1)', () => {
  it('sends that to a removed peer eight times, at intervals that double', () => {
    const farewells = new Farewells();
    farewells.addRemoved(0, farewell());
    expect(sendAll(farewells)).toEqual([0, 250, 750, 1_750, 3_750, 7_750, 15_750, 31_750]);
  });

  it('counts each interval from the last copy, so that a process that was stopped does not send several at once', () => {
    const farewells = new Farewells();
    farewells.addRemoved(0, farewell());
    expect(farewells.poll(5_000)).toBeDefined();
    expect(farewells.poll(5_000)).toBeUndefined();
    expect(farewells.pollTimeout()).toEqual({ at: 5_000 + (FAREWELL_COPY_MS[0] ?? 0), reason: 'farewell' });
  });

  it('sends that to a superseded process once', () => {
    const farewells = new Farewells();
    farewells.addSuperseded(farewell());
    expect(sendAll(farewells)).toEqual([0]);
  });

  it('sends that to an unproven address once, which is all that it may be sent (spec path 2)', () => {
    const farewells = new Farewells();
    farewells.addRemoved(0, { ...farewell(), isProven: false });
    expect(sendAll(farewells)).toEqual([0]);
  });

  it('ends with the keypair', () => {
    const farewells = new Farewells();
    farewells.addRemoved(0, farewell(1_750));
    farewells.addSuperseded(farewell(0));
    expect(sendAll(farewells)).toEqual([0, 250, 750]);
    expect(farewells.pollTimeout()).toBeUndefined();
  });

  it('keeps at most MAX_REPEATED_FAREWELLS for another copy, and sends the others once', () => {
    const farewells = new Farewells();
    for (let i = 0; i < MAX_REPEATED_FAREWELLS + 10; i++) farewells.addRemoved(0, farewell());
    const sentAt = sendAll(farewells, 250);
    expect(sentAt.filter((at) => at === 0)).toHaveLength(MAX_REPEATED_FAREWELLS + 10);
    expect(sentAt.filter((at) => at === 250)).toHaveLength(MAX_REPEATED_FAREWELLS);
  });

  it('keeps at most MAX_FAREWELLS for superseded processes', () => {
    const farewells = new Farewells();
    for (let i = 0; i < MAX_FAREWELLS + 10; i++) farewells.addSuperseded(farewell());
    expect(sendAll(farewells)).toHaveLength(MAX_FAREWELLS);
  });

  it('sets no time for a copy that would come when the keypair has expired', () => {
    for (const [expiresAt, nextAt] of [
      [250, undefined],
      [251, 250],
    ]) {
      const farewells = new Farewells();
      farewells.addRemoved(0, farewell(expiresAt));
      farewells.poll(0);
      expect(farewells.pollTimeout()?.at).toBe(nextAt);
    }
  });
});
