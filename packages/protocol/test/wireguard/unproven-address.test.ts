/** What a session sends to an address that is not proven, to which no more than an allowance may be sent (spec path 2). */
import { describe, expect, it } from 'vitest';
import { SessionPair, type Side } from './session-pair.js';

const DATA = Uint8Array.of(1, 2, 3);
const ELSEWHERE = { address: '192.0.2.9', port: 9 };

interface Message {
  readonly what: string;
  readonly bytes: number;
  /** Brings a pair to the moment before the message. @returns the side that sends it */
  readonly prepare: (pair: SessionPair) => Side;
  /** Makes the message due, and has it sent if it may be. */
  readonly cause: (pair: SessionPair) => void;
}

const MESSAGES: Message[] = [
  {
    what: 'initiation',
    bytes: 148,
    prepare: (pair) => pair.a,
    cause: (pair) => pair.connect(),
  },
  {
    what: 'copy of an initiation',
    bytes: 148,
    prepare: (pair) => {
      pair.deliver = () => false;
      pair.connect();
      return pair.a;
    },
    cause: (pair) => pair.runUntil(400),
  },
  {
    what: 'response',
    bytes: 92,
    prepare: (pair) => pair.b,
    cause: (pair) => pair.connect(),
  },
  {
    what: 'copy of a response',
    bytes: 92,
    prepare: (pair) => {
      pair.deliver = ({ name }) => name !== 'response';
      pair.connect();
      return pair.b;
    },
    cause: (pair) => pair.runUntil(300),
  },
  {
    what: 'keepalive',
    bytes: 32,
    prepare: (pair) => {
      pair.connect();
      pair.send(pair.a, DATA);
      return pair.b;
    },
    cause: (pair) => pair.runUntil(10_000),
  },
];

/** What a side has sent since the last call. */
function takeFrom(pair: SessionPair, { name }: Side): number[] {
  return pair.sent
    .splice(0)
    .filter(({ from }) => from === name)
    .map(({ bytes }) => bytes.length);
}

describe.each(MESSAGES.map((message) => [message.what, message] as const))(
  'the %s',
  (_what, { bytes, prepare, cause }) => {
    it.each([
      { allowanceBytes: bytes, sent: [bytes] },
      { allowanceBytes: bytes - 1, sent: [] },
    ])('is sent only if $allowanceBytes bytes allow it (spec path 2)', ({ allowanceBytes, sent }) => {
      const pair = new SessionPair();
      const side = prepare(pair);
      takeFrom(pair, side);
      side.path.allowanceBytes = allowanceBytes;
      cause(pair);
      expect(takeFrom(pair, side)[0]).toBe(sent[0]);
    });
  },
);

describe('copies of an initiation', () => {
  /** Where the first initiation and its copies went, if the peer's address is another one after the first. */
  function destinations(allowanceBytes: number): string[] {
    const pair = new SessionPair();
    pair.deliver = () => false;
    pair.connect();
    pair.a.path.address = ELSEWHERE;
    pair.a.path.allowanceBytes = allowanceBytes;
    pair.runUntil(1_200);
    return pair.sent.map(({ to }) => to.address);
  }

  it('go to the address of the first one alone, until the address in use is proven (spec path 2: "or nowhere")', () => {
    expect(destinations(1_000_000)).toEqual(['192.0.2.2']);
    expect(destinations(Number.POSITIVE_INFINITY)).toEqual(['192.0.2.2', '192.0.2.9', '192.0.2.9']);
  });

  it('go on when the limit permits them again (spec path 2: "as if it had been lost")', () => {
    const pair = new SessionPair();
    pair.deliver = () => false;
    pair.connect();
    pair.a.path.allowanceBytes = 147;
    pair.runUntil(1_000);
    pair.a.path.allowanceBytes = 148;
    pair.runUntil(1_200);
    expect(pair.takeSent()).toEqual(['0 a initiation', '1200 a initiation']);
  });
});

it('a response that the limit held back is copied when the limit permits it (spec path 2: "as if it had been lost")', () => {
  const pair = new SessionPair();
  pair.b.path.allowanceBytes = 91;
  pair.connect();
  pair.runUntil(200);
  pair.b.path.allowanceBytes = 92;
  pair.runUntil(300);
  expect(pair.takeSent()).toEqual(['0 a initiation', '300 b response', '300 a keepalive']);
});
