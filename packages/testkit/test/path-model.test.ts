import { type ArrivedDatagram, MessageKind, PathModel, type SentDatagram } from '@underpass/testkit';
import { beforeEach, expect, it } from 'vitest';

const HOME = { address: '192.0.2.1', port: 1000 };
const AWAY = { address: '203.0.113.9', port: 1000 };
const ELSEWHERE = { address: '203.0.113.66', port: 666 };
/** Longer than any trial that the process may have given up. */
const LATE_MS = 1_000;

let model: PathModel;
beforeEach(() => {
  model = new PathModel(HOME);
});

function arrive(at: number, from: typeof HOME, responses: string[] = []): void {
  model.onArrived({
    at,
    from,
    kind: MessageKind.transport,
    isNewest: true,
    isFresh: true,
    madeKeypair: false,
    dropped: undefined,
    sent: { key: 'key', packet: { responses } },
  } as unknown as ArrivedDatagram);
}

function send(to: typeof HOME, challenge?: string): void {
  model.onSent({
    to,
    kind: MessageKind.transport,
    isCopy: false,
    original: undefined,
    packet: { challenge },
  } as unknown as SentDatagram);
}

/** The peer moves away, and its answer comes when the trial may already be over. */
function answerLate(...responses: string[]): void {
  arrive(0, AWAY);
  send(AWAY, 'first');
  arrive(LATE_MS, AWAY, responses);
}

it('takes an answer in time as proof', () => {
  arrive(0, AWAY);
  send(AWAY, 'first');
  arrive(10, AWAY, ['first']);
  expect([model.proven, model.isCertain, model.mayBeProven(HOME)]).toEqual([AWAY, true, false]);
});

it('does not know what a late answer has proven, however often it comes', () => {
  answerLate('first', 'first', 'first');
  expect([model.isCertain, model.mayBeProven(HOME), model.mayBeProven(AWAY)]).toEqual([false, true, true]);
});

it('sees from another challenge that a late answer has proven nothing', () => {
  answerLate('first');
  send(AWAY, 'second');
  expect([model.proven, model.isCertain, model.isOnTrial]).toEqual([HOME, true, true]);
});

it('does not conclude that from the same challenge, which had to wait until more was permitted', () => {
  answerLate('first');
  send(AWAY, 'first');
  expect([model.proven, model.isCertain]).toEqual([AWAY, false]);
});

it('sees from a datagram to the former address that a late answer has proven nothing', () => {
  answerLate('first');
  send(HOME);
  expect([model.proven, model.isCertain, model.isOnTrial]).toEqual([HOME, true, true]);
});

it('still does not know it when the peer has moved on', () => {
  answerLate('first');
  arrive(LATE_MS + 1, ELSEWHERE);
  send(ELSEWHERE, 'second');
  expect([model.mayBeProven(HOME), model.mayBeProven(AWAY), model.mayBeProven(ELSEWHERE)]).toEqual([
    true,
    true,
    false,
  ]);
  arrive(LATE_MS + 10, ELSEWHERE, ['second']);
  expect([model.proven, model.isCertain]).toEqual([ELSEWHERE, true]);
});

it.each([
  ['the same address', HOME, true],
  ['another address', AWAY, false],
])('takes the use of the keys as proof if copies of our initiation went to %s', (_, to, isProof) => {
  model = new PathModel(undefined);
  const initiation = (isCopy: boolean, at: typeof HOME) =>
    model.onSent({ to: at, kind: MessageKind.initiation, isCopy } as unknown as SentDatagram);
  initiation(false, HOME);
  initiation(true, to);
  model.onArrived({
    at: 0,
    by: { crypto: { keys: [{ key: 'key' }] } },
    from: AWAY,
    kind: MessageKind.response,
    madeKeypair: true,
  } as unknown as ArrivedDatagram);
  arrive(1, AWAY);
  expect(model.proven).toEqual(isProof ? HOME : undefined);
});
