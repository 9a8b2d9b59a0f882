import {
  type DrivenEndpoint,
  Pair,
  PERFECT_LINK,
  PERFECT_NETWORK,
  RELAY_ADDRESS,
  SeededRandom,
} from '@underpass/testkit';
import { describe, expect, test } from 'vitest';

/** An endpoint that does nothing except for the given methods. */
function endpoint(planted: Partial<DrivenEndpoint>): DrivenEndpoint {
  return {
    handleDatagram: () => 'poll',
    handleTimeout: () => {},
    pollTransmit: () => false,
    pollEvent: () => undefined,
    pollTimeout: () => undefined,
    ...planted,
  };
}

function run(client: DrivenEndpoint, relay = endpoint({}), network = PERFECT_NETWORK): string[] {
  const violations: string[] = [];
  const pair = new Pair({
    network,
    random: new SeededRandom(1),
    onEvent: () => {},
    onViolation: (violation) => violations.push(violation),
  });
  pair.setEndpoint('relay', relay);
  pair.setEndpoint('client', client);
  pair.run(10_000);
  return violations;
}

/** The first bytes of a transport message. */
const HEADER = [4, 0, 0, 0];

/** Fills one batch, once, with datagrams that start like messages and continue with increasing bytes. */
function sender(lengthBytes: number, segmentBytes: number): DrivenEndpoint {
  let sent = false;
  return endpoint({
    pollTransmit: (_now, batch) => {
      if (sent) return false;
      sent = true;
      for (let i = 0; i < lengthBytes; i++) batch.buffer[i] = HEADER[i % segmentBytes] ?? i;
      batch.lengthBytes = lengthBytes;
      batch.segmentBytes = segmentBytes;
      batch.to = RELAY_ADDRESS;
      return true;
    },
  });
}

describe('the pair reports', () => {
  test('sending without end', () => {
    const client = endpoint({
      pollTransmit: (_now, batch) => {
        batch.buffer.set(HEADER);
        batch.lengthBytes = 32;
        batch.segmentBytes = 32;
        batch.to = RELAY_ADDRESS;
        return true;
      },
    });
    expect(run(client)).toEqual(['client sends without end']);
  });

  test('events without end', () => {
    const client = endpoint({ pollEvent: () => ({ type: 'stream-closed', stream: { id: 0 } }) as never });
    expect(run(client)).toEqual(['client has events without end']);
  });

  test('a deadline that stays in the past', () => {
    const client = endpoint({ pollTimeout: () => ({ at: 0, reason: 'planted' }) });
    expect(run(client)).toEqual(['client leaves a deadline in the past: planted at 0, now 0']);
  });

  test('a batch with a wrong segment size', () => {
    let calls = 0;
    const client = endpoint({
      pollTransmit: (_now, batch) => {
        batch.buffer.set([...HEADER, 1, 2, ...HEADER, 1, 2]);
        batch.lengthBytes = 12;
        batch.segmentBytes = 8;
        batch.to = RELAY_ADDRESS;
        return calls++ === 0;
      },
    });
    expect(run(client)).toEqual(['client sent something that is not a message, or cut a batch wrongly']);
  });

  test('a batch without a segment size', () => {
    const client = endpoint({ pollTransmit: () => true });
    expect(run(client)).toHaveLength(1);
  });

  test('any exception', () => {
    const client = endpoint({
      pollEvent: () => {
        throw new Error('planted');
      },
    });
    expect(run(client)[0]).toContain('planted');
  });
});

describe('the pair', () => {
  test('delivers a batch as datagrams, the last one shorter, and overwrites the bytes that it lent', () => {
    const received: Uint8Array[] = [];
    const copies: number[][] = [];
    const relay = endpoint({
      handleDatagram: (_now, datagram) => {
        received.push(datagram);
        copies.push([...datagram]);
        return 'poll';
      },
    });
    expect(run(sender(25, 10), relay)).toEqual([]);
    expect(copies.map((bytes) => bytes.length)).toEqual([10, 10, 5]);
    expect(copies[1]).toEqual([...HEADER, 14, 15, 16, 17, 18, 19]);
    expect(copies[2]).toEqual([...HEADER, 24]);
    expect([...(received[0] as Uint8Array)]).toEqual(Array.from({ length: 10 }, () => 0xee));
  });

  test('calls handleTimeout at a deadline, and not before', () => {
    const calls: number[] = [];
    let at: number | undefined = 500;
    const client = endpoint({
      pollTimeout: () => (at === undefined ? undefined : { at, reason: 'planted' }),
      handleTimeout: (now) => {
        calls.push(now);
        at = now < 700 ? now + 250 : undefined;
      },
    });
    expect(run(client)).toEqual([]);
    expect(calls).toEqual([500, 750]);
  });

  test('polls nothing after a datagram without effect, and sends an answer at once', () => {
    let polls = 0;
    const answers: number[][] = [];
    const client = sender(20, 10);
    client.handleDatagram = (_now, datagram) => {
      answers.push([...datagram]);
      return 'none';
    };
    const relay = endpoint({
      handleDatagram: (_now, datagram) => (datagram[9] === 9 ? Uint8Array.of(...HEADER, 7) : 'none'),
      pollTransmit: () => {
        polls++;
        return false;
      },
    });
    expect(run(client, relay)).toEqual([]);
    expect(answers).toEqual([[...HEADER, 7]]);
    // The turn at the start.
    expect(polls).toBe(1);
  });

  test('reports an answer to a forgery', () => {
    const answers = endpoint({
      handleDatagram(_now, _datagram, from) {
        this.pollTransmit = (_time, batch) => {
          batch.buffer.set(HEADER);
          batch.lengthBytes = 32;
          batch.segmentBytes = 32;
          batch.to = from;
          this.pollTransmit = () => false;
          return true;
        };
        return 'poll';
      },
    });
    const network = { ...PERFECT_NETWORK, toRelay: { ...PERFECT_LINK, forgeryChance: 1, delayMs: 1 } };
    expect(run(sender(100, 100), answers, network)).toContain('relay answered a forgery');
  });
});
