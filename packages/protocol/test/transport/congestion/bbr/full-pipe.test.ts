import { describe, expect, it } from 'vitest';
import { FullPipe } from '../../../../src/transport/congestion/bbr/full-pipe.js';
import { emptyAckSample } from '../../../../src/transport/congestion/controller.js';

const check = (pipe: FullPipe, deliveryRate: number, isRoundStart = true, rateApplicationLimited = false) =>
  pipe.check({ ...emptyAckSample(), deliveryRate, rateApplicationLimited }, isRoundStart);

describe('the full pipe (§5.3.1.2)', () => {
  it('is found when the bandwidth has grown by less than a quarter for three rounds', () => {
    const pipe = new FullPipe();
    check(pipe, 100);
    for (const rate of [120, 124, 124.9]) {
      expect([pipe.isFull, pipe.isFullNow]).toEqual([false, false]);
      check(pipe, rate);
    }
    expect([pipe.isFull, pipe.isFullNow]).toEqual([true, true]);
  });

  it('is looked for again from each round that grew by a quarter', () => {
    const pipe = new FullPipe();
    for (const rate of [100, 110, 110, 125, 130, 130]) check(pipe, rate);
    expect(pipe.isFull).toBe(false);
    check(pipe, 156);
    expect(pipe.isFull).toBe(true);
  });

  it('counts only the first ACK of a round, and only if there was enough to send', () => {
    const pipe = new FullPipe();
    check(pipe, 100);
    for (let i = 0; i < 5; i++) {
      check(pipe, 100, false);
      check(pipe, 100, true, true);
    }
    check(pipe, 100);
    check(pipe, 100);
    expect(pipe.isFull).toBe(false);
    check(pipe, 100);
    expect(pipe.isFull).toBe(true);
  });

  it('stays full while it is looked for again, and is found full now only by three more rounds', () => {
    const pipe = new FullPipe();
    for (let i = 0; i < 4; i++) check(pipe, 100);
    pipe.reset(200);
    expect([pipe.isFull, pipe.isFullNow]).toEqual([true, false]);
    for (let i = 0; i < 2; i++) check(pipe, 200);
    expect(pipe.isFullNow).toBe(false);
    check(pipe, 200);
    expect(pipe.isFullNow).toBe(true);
    // Later rounds change nothing until the next reset.
    check(pipe, 1000);
    expect(pipe.isFullNow).toBe(true);
  });
});
