/** What moves BBR from one state to the next (draft-ietf-ccwg-bbr §5.3). The pacing rate shows the state. */
import { describe, expect, it } from 'vitest';
import { Bbr } from '../../../src/transport/congestion/bbr/bbr.js';
import { GAINS, type State } from '../../../src/transport/congestion/bbr/states.js';
import { emptyAckSample, emptyLossSample } from '../../../src/transport/congestion/controller.js';

const SIZE = 1200;
const RTT_MS = 50;
const BYTES_PER_MS = 1000;
const FLIGHT = RTT_MS * BYTES_PER_MS;

/** A controller that gets one ACK per round trip, which acknowledges a whole flight. */
class Rounds {
  readonly controller = new Bbr(SIZE, () => 0.5);
  #round = 0;
  #lastLost = -1;

  /** @param lostShare the share of the flight that was lost since its newest packet was sent */
  acknowledge({ rate = BYTES_PER_MS, lostShare = 0 } = {}): void {
    const priorDeliveredBytes = this.#round * FLIGHT;
    this.#round++;
    this.controller.onAck({
      ...emptyAckSample(),
      now: this.#round * RTT_MS,
      ackedBytes: FLIGHT,
      bytesInFlight: FLIGHT,
      bytesInFlightAtSend: FLIGHT,
      lostSinceSendBytes: lostShare * FLIGHT,
      hasRttSample: true,
      smoothedRttMs: RTT_MS,
      latestRttMs: RTT_MS,
      minRttMs: RTT_MS,
      deliveryRate: rate,
      deliveredBytes: FLIGHT,
      priorDeliveredBytes,
      totalDeliveredBytes: priorDeliveredBytes + FLIGHT,
    });
  }

  /** Loses a packet. @param gap how many packets got through since the last one that was lost */
  lose(lostShare: number, gap = 1): void {
    this.#lastLost += 1 + gap;
    this.controller.onPacketLost({
      ...emptyLossSample(),
      now: this.#round * RTT_MS,
      packetNumber: this.#lastLost,
      bytes: SIZE,
      bytesInFlightAtSend: FLIGHT,
      lostSinceSendBytes: lostShare * FLIGHT,
      totalDeliveredBytes: this.#round * FLIGHT,
    });
  }

  /** The gain with which the controller paces, of the measured bandwidth. */
  get gain(): number {
    return this.controller.pacingRate / (0.99 * BYTES_PER_MS);
  }

  /** Acknowledges rounds until the controller paces as it does in `state`. */
  reach(state: State): void {
    for (let i = 0; i < 200; i++) {
      this.acknowledge();
      if (!this.controller.isInSlowStart && Math.abs(this.gain - GAINS[state].pacing) < 1e-9) return;
    }
    expect.unreachable(`${state} is not reached`);
  }
}

describe('Startup (§5.3.1.3)', () => {
  /** A round of Startup in which so many packets are lost. */
  function lossyRound(losses: number, lostShare: number, gap: number): Rounds {
    const rounds = new Rounds();
    for (const rate of [100, 200, 400]) rounds.acknowledge({ rate });
    for (let i = 0; i < losses; i++) rounds.lose(lostShare, gap);
    rounds.acknowledge({ rate: 800, lostShare });
    return rounds;
  }

  it.each([
    ['six separate losses of too much', 6, 0.8, 1, false],
    ['five separate losses', 5, 0.8, 1, true],
    ['six losses in one piece', 6, 0.8, 0, true],
    ['six losses that the noise of a path may explain', 6, 0.3, 1, true],
  ])('after a round with %s: goes on: %s', (_what, losses, lostShare, gap, goesOn) => {
    expect(lossyRound(losses, lostShare, gap).controller.isInSlowStart).toBe(goesOn);
  });

  it('does not add the losses of two rounds up', () => {
    const rounds = lossyRound(3, 0.8, 1);
    for (let i = 0; i < 3; i++) rounds.lose(0.8);
    rounds.acknowledge({ rate: 1_600, lostShare: 0.8 });
    expect(rounds.controller.isInSlowStart).toBe(true);
  });

  it('resumes if the losses that ended it were spurious (§5.5.11)', () => {
    const { controller } = lossyRound(6, 0.8, 1);
    controller.onSpuriousLoss();
    expect(controller.isInSlowStart).toBe(true);
  });

  it('does not resume for spurious losses of a later round (§5.5.11)', () => {
    const rounds = lossyRound(6, 0.8, 1);
    rounds.acknowledge({ rate: 800 });
    rounds.lose(0);
    rounds.controller.onSpuriousLoss();
    expect(rounds.controller.isInSlowStart).toBe(false);
  });
});

describe('a probe for bandwidth (§5.3.3)', () => {
  it('refills the pipe for a round before it sends faster', () => {
    const rounds = new Rounds();
    rounds.reach('down');
    const gains: number[] = [];
    for (let i = 0; i < 100 && gains.at(-1) !== GAINS.up.pacing; i++) {
      rounds.acknowledge();
      gains.push(Math.round(rounds.gain * 1e6) / 1e6);
    }
    // CRUISE has the gain of REFILL.
    expect(new Set(gains)).toEqual(new Set([GAINS.cruise.pacing, GAINS.up.pacing]));
  });

  it('ends with too many losses, at once', () => {
    const rounds = new Rounds();
    rounds.reach('up');
    rounds.lose(0.3);
    rounds.acknowledge();
    expect(rounds.gain).toBeCloseTo(GAINS.up.pacing, 6);
    rounds.lose(0.8);
    rounds.acknowledge({ lostShare: 0.8 });
    expect(rounds.gain).not.toBeCloseTo(GAINS.up.pacing, 2);
    // The next one is due after 8 s at the earliest (spec congestion 4.5).
    for (let i = 0; i < 7_900 / RTT_MS; i++) {
      rounds.acknowledge();
      expect(rounds.gain).toBeLessThan(1.01);
    }
  });

  it('is repeated if those losses were spurious (§5.5.11)', () => {
    const rounds = new Rounds();
    rounds.reach('up');
    rounds.lose(0.8);
    rounds.controller.onSpuriousLoss();
    rounds.acknowledge();
    rounds.acknowledge();
    expect(rounds.gain).toBeCloseTo(GAINS.up.pacing, 6);
  });
});

describe('a sender that resumes after a pause (§5.4.1)', () => {
  it('sends at the measured bandwidth, whatever the state of its cycle', () => {
    const rounds = new Rounds();
    rounds.reach('down');
    rounds.controller.onPacketSent(10_000, SIZE, 2 * SIZE);
    expect(rounds.gain).toBeCloseTo(GAINS.down.pacing, 6);
    rounds.controller.onPacketSent(10_000, SIZE, SIZE);
    expect(rounds.gain).toBeCloseTo(1, 6);
  });

  it('goes on as before in Startup', () => {
    const rounds = new Rounds();
    rounds.controller.onPacketSent(0, SIZE, SIZE);
    rounds.acknowledge({ rate: 100 });
    rounds.acknowledge({ rate: 200 });
    const { pacingRate } = rounds.controller;
    rounds.controller.onPacketSent(10_000, SIZE, SIZE);
    expect(rounds.controller.pacingRate).toBe(pacingRate);
  });
});
