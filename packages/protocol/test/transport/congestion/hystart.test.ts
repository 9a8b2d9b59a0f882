import { describe, expect, it } from 'vitest';
import { emptyAckSample } from '../../../src/transport/congestion/controller.js';
import { HyStart } from '../../../src/transport/congestion/hystart.js';

const BYTES = 1200;
const ACKS_PER_ROUND = 10;

/** Drives the rounds of one connection in slow start. */
class Rounds {
  readonly #hyStart = new HyStart();
  #delivered = 0;

  /** A round in which every ACK acknowledges one datagram.
   *  @param shortestMs  the shortest round trip; the others are longer
   *  @returns what the window may grow by with the last ACK of the round */
  run(shortestMs: number, acks = ACKS_PER_ROUND): number | undefined {
    const priorDeliveredBytes = this.#delivered;
    let growth: number | undefined;
    for (let i = 0; i < acks; i++) {
      this.#delivered += BYTES;
      growth = this.#hyStart.onAck({
        ...emptyAckSample(),
        ackedBytes: BYTES,
        hasRttSample: true,
        latestRttMs: i === 2 ? shortestMs : shortestMs + 30,
        // All packets of a round were sent when the last one had been delivered.
        priorDeliveredBytes,
        totalDeliveredBytes: this.#delivered,
      });
    }
    return growth;
  }

  /** One more ACK in the last round, with which no round trip was measured. */
  acknowledgeWithoutSample(): number | undefined {
    const priorDeliveredBytes = this.#delivered - 1;
    this.#delivered += BYTES;
    return this.#hyStart.onAck({
      ...emptyAckSample(),
      ackedBytes: BYTES,
      latestRttMs: 230, // the one before
      priorDeliveredBytes: priorDeliveredBytes - BYTES,
      totalDeliveredBytes: this.#delivered,
    });
  }
}

/** Slow start in which the shortest round trip rises once. @returns what the window may grow by afterwards */
function growthAfterRise(fromMs: number, toMs: number, acks = ACKS_PER_ROUND): number | undefined {
  const rounds = new Rounds();
  rounds.run(fromMs);
  return rounds.run(toMs, acks);
}

// spec congestion 3: "exceeds that of the previous round by an eighth, but by at least 4 and at most 16 ms"
describe('HyStart++ (RFC 9406)', () => {
  it.each([
    ['an eighth', 80, 10],
    ['at least 4 ms', 10, 4],
    ['at most 16 ms', 400, 16],
  ])(
    'leaves slow start alone below its threshold, and slows it down from there: %s of %i ms',
    (_what, rttMs, thresholdMs) => {
      expect(growthAfterRise(rttMs, rttMs + thresholdMs - 0.5)).toBe(BYTES);
      expect(growthAfterRise(rttMs, rttMs + thresholdMs)).toBe(BYTES / 4);
    },
  );

  it('judges a round by its shortest round trip, and only after 8 samples', () => {
    expect(growthAfterRise(80, 200, 7)).toBe(BYTES);
    expect(growthAfterRise(80, 200, 8)).toBe(BYTES / 4);
  });

  it('ends slow start after five conservative rounds', () => {
    const rounds = new Rounds();
    rounds.run(80);
    for (let round = 0; round <= 5; round++) expect(rounds.run(100)).toBe(BYTES / 4);
    expect(rounds.run(100)).toBeUndefined();
  });

  it('counts conservative rounds afresh after a false alarm', () => {
    const rounds = new Rounds();
    rounds.run(80);
    for (let round = 0; round < 4; round++) expect(rounds.run(100)).toBe(BYTES / 4);
    expect(rounds.run(99)).toBe(BYTES);
    for (let round = 0; round <= 5; round++) expect(rounds.run(120)).toBe(BYTES / 4);
    expect(rounds.run(120)).toBeUndefined();
  });

  it('judges only by ACKs with which a round trip was measured', () => {
    const rounds = new Rounds();
    rounds.run(80);
    expect(rounds.run(200, 7)).toBe(BYTES);
    expect(rounds.acknowledgeWithoutSample()).toBe(BYTES);
  });

  it('resumes slow start when round trips become shorter again', () => {
    const rounds = new Rounds();
    rounds.run(80);
    expect(rounds.run(100)).toBe(BYTES / 4);
    expect(rounds.run(99)).toBe(BYTES);
    for (let round = 0; round < 10; round++) expect(rounds.run(99)).toBe(BYTES);
  });
});
