import { describe, expect, it } from 'vitest';
import { INITIAL_MAX_DATA_BYTES } from '../../../src/transport/limits.js';
import { ConnectionCredit } from '../../../src/transport/streams/connection-credit.js';

const WINDOW_BYTES = 1000;

function setUp() {
  const requests: number[] = [];
  const credit: ConnectionCredit = new ConnectionCredit(WINDOW_BYTES, {
    requestMaxData: () => requests.push(credit.granted),
  });
  return { credit, requests };
}

describe('what the peer permits us to send (spec streams 5.1)', () => {
  it('is the initial limit less what was sent, until MAX_DATA states a higher one', () => {
    const { credit } = setUp();
    expect(credit.available).toBe(INITIAL_MAX_DATA_BYTES);
    credit.sentBytes = 100;
    expect(credit.available).toBe(INITIAL_MAX_DATA_BYTES - 100);
    for (const stale of [INITIAL_MAX_DATA_BYTES - 1, INITIAL_MAX_DATA_BYTES]) {
      expect(credit.raise(stale)).toBe(false);
    }
    expect(credit.available).toBe(INITIAL_MAX_DATA_BYTES - 100);
    expect(credit.raise(INITIAL_MAX_DATA_BYTES + 1)).toBe(true);
    expect(credit.available).toBe(INITIAL_MAX_DATA_BYTES - 99);
  });

  it('is stated in DATA_BLOCKED once per limit, when nothing of it is left', () => {
    const { credit } = setUp();
    credit.sentBytes = INITIAL_MAX_DATA_BYTES - 1;
    expect(credit.blockedAt).toBeUndefined();
    credit.sentBytes++;
    expect(credit.blockedAt).toBe(INITIAL_MAX_DATA_BYTES);
    credit.blockedSentFor = INITIAL_MAX_DATA_BYTES;
    expect(credit.blockedAt).toBeUndefined();
    credit.raise(INITIAL_MAX_DATA_BYTES + 10);
    expect(credit.blockedAt).toBeUndefined();
    credit.sentBytes += 10;
    expect(credit.blockedAt).toBe(INITIAL_MAX_DATA_BYTES + 10);
  });

  it('is stated even if it is 0', () => {
    const { credit } = setUp();
    credit.sentBytes = INITIAL_MAX_DATA_BYTES;
    expect(credit.blockedAt).toBe(INITIAL_MAX_DATA_BYTES);
  });
});

describe('what we permit the peer to send (spec streams 5.3)', () => {
  it('is the window, to its last byte', () => {
    const { credit } = setUp();
    expect([credit.permits(WINDOW_BYTES), credit.permits(WINDOW_BYTES + 1)]).toEqual([true, false]);
    credit.receive(400);
    expect([credit.permits(600), credit.permits(601)]).toEqual([true, false]);
    expect([credit.receivedBytes, credit.unreadBytes, credit.freeBytes]).toEqual([400, 400, 600]);
  });

  it('is not stated again while nothing was read, even if the whole window is full', () => {
    const { credit, requests } = setUp();
    credit.receive(WINDOW_BYTES);
    expect([credit.freeBytes, requests]).toEqual([0, []]);
    credit.consume(1);
    expect(requests).toEqual([WINDOW_BYTES + 1]);
  });

  it('rises by what was read, once that is a quarter of what is free', () => {
    const { credit, requests } = setUp();
    credit.receive(250);
    credit.consume(249);
    expect(requests).toEqual([]);
    credit.consume(1);
    expect(requests).toEqual([WINDOW_BYTES + 250]);
    expect([credit.permits(WINDOW_BYTES), credit.permits(WINDOW_BYTES + 1)]).toEqual([true, false]);
  });
});
