import { describe, expect, it } from 'vitest';
import {
  DESTINATION_NAME_MS,
  MAX_ANSWER_ADDRESSES,
  MAX_DESTINATIONS,
  MAX_FLOW_LOOKUPS,
  MAX_MESSAGES_FOR_NAME,
} from '../src/forward-constants.js';
import { formatTarget, type UdpTarget } from '../src/forward-spec.js';
import { LookupQueue, type NameResolver } from '../src/lookup-queue.js';
import type { RequestStatus } from '../src/request.js';
import { UdpDestinations } from '../src/udp-destinations.js';
import { FakeTimers } from './fake-timers.js';
import { rules } from './rules.js';

const udp = (host: string, port = 53): UdpTarget => ({ host, port, protocol: 'udp' });
const bytes = (text: string) => Buffer.from(text);
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function setUp(allow: readonly string[], resolve: NameResolver = () => new Promise(() => undefined)) {
  const timers = new FakeTimers();
  const sent: string[] = [];
  const refused: string[] = [];
  const resolved: string[] = [];
  const lookUp: NameResolver = (name) => {
    resolved.push(name);
    return resolve(name);
  };
  const current = rules(...allow);
  const lookups = new LookupQueue(lookUp, timers);
  const destinations = new UdpDestinations({
    peer: {},
    lookups,
    rules: () => current,
    ownAddresses: () => [],
    timers,
    now: timers.now,
    send: (payload, to) => sent.push(`${Buffer.from(payload)} to ${to.address} ${to.port}`),
    onRefused: (target, status) => refused.push(`${formatTarget(target)} ${status}`),
  });
  return { destinations, sent, refused, resolved, timers, lookups };
}

describe('the destinations of a flow', () => {
  it('are judged each by itself, once (spec forwarding 5.7: "MUST drop a message")', () => {
    const { destinations, sent, refused } = setUp(['9.9.9.9:53/udp', '8.8.8.8:53']);
    for (const text of ['a', 'b']) {
      destinations.send(udp('9.9.9.9'), bytes(text));
      destinations.send(udp('8.8.8.8'), bytes(text));
      destinations.send(udp('9.9.9.9', 54), bytes(text));
      destinations.send(udp('127.0.0.1'), bytes(text));
    }
    expect(sent).toEqual(['a to 9.9.9.9 53', 'b to 9.9.9.9 53']);
    expect(refused).toEqual([
      '8.8.8.8:53/udp not-allowed',
      '9.9.9.9:54/udp not-allowed',
      '127.0.0.1:53/udp not-allowed',
    ]);
  });

  it('with a name that no rule allows are reported once, whatever is sent there', () => {
    const { destinations, refused } = setUp(['a.example:53/udp']);
    for (const text of ['a', 'b', 'c']) destinations.send(udp('b.example'), bytes(text));
    expect(refused).toEqual(['b.example:53/udp not-allowed']);
  });

  it('are never metadata addresses, even of a name and within a network (spec forwarding 3.5)', async () => {
    const allow = ['*:53/udp', '169.254.0.0/16:53/udp'];
    const { destinations, sent, refused } = setUp(allow, async () => ['169.254.169.254', 'fd00:ec2::254']);
    destinations.send(udp('169.254.169.254'), bytes('a'));
    destinations.send(udp('rebound.example'), bytes('b'));
    await settled();
    expect(sent).toEqual([]);
    expect(refused).toEqual(['169.254.169.254:53/udp not-allowed', 'rebound.example:53/udp not-allowed']);
  });

  it('are the only addresses that are heard (spec forwarding 5.7: "MUST pass on only messages")', () => {
    const { destinations } = setUp(['9.9.9.0/24:53/udp']);
    destinations.send(udp('9.9.9.9'), bytes('a'));
    expect(destinations.has({ address: '9.9.9.9', port: 53 })).toBe(true);
    expect(destinations.has({ address: '9.9.9.9', port: 54 })).toBe(false);
    expect(destinations.has({ address: '9.9.9.8', port: 53 })).toBe(false);
  });

  it('with a name wait for it, with the newest messages, and get the first permitted address', async () => {
    const { destinations, sent, resolved } = setUp(['dns.example:53/udp'], async () => [
      '10.0.0.1',
      '9.9.9.9',
    ]);
    for (let n = 0; n <= MAX_MESSAGES_FOR_NAME; n++) destinations.send(udp('dns.example'), bytes(String(n)));
    await settled();
    destinations.send(udp('dns.example'), bytes('later'));
    const waited = Array.from({ length: MAX_MESSAGES_FOR_NAME }, (_, n) => `${n + 1} to 9.9.9.9 53`);
    expect(sent).toEqual([...waited, 'later to 9.9.9.9 53']);
    expect(resolved).toEqual(['dns.example']);
  });

  it('with a name are resolved again after they were not used for a minute', async () => {
    const { destinations, resolved, timers } = setUp(['*:53/udp'], async () => ['9.9.9.9']);
    for (const pauseMs of [0, DESTINATION_NAME_MS, DESTINATION_NAME_MS, DESTINATION_NAME_MS + 1]) {
      timers.advance(pauseMs);
      destinations.send(udp('dns.example'), bytes('a'));
      await settled();
    }
    expect(resolved).toHaveLength(2);
  });

  it('that are addresses are judged once, however long ago they were used', () => {
    const { destinations, refused, sent, timers } = setUp(['9.9.9.9:53/udp']);
    for (let n = 0; n < 2; n++) {
      destinations.send(udp('8.8.8.8'), bytes('a'));
      destinations.send(udp('9.9.9.9'), bytes('a'));
      timers.advance(10 * DESTINATION_NAME_MS);
    }
    expect([refused, sent.length]).toEqual([['8.8.8.8:53/udp not-allowed'], 2]);
  });

  it('with a name lead only to the first 64 of its addresses', async () => {
    const many = Array.from({ length: MAX_ANSWER_ADDRESSES }, (_, n) => `10.0.0.${n}`);
    const answers = [
      [...many, '9.9.9.9'],
      [...many.slice(1), '9.9.9.9'],
    ];
    const { destinations, sent } = setUp(['*:53/udp'], async () => answers.shift() ?? []);
    for (const name of ['a.example', 'b.example']) {
      destinations.send(udp(name), bytes(name));
      await settled();
    }
    expect(sent).toEqual(['b.example to 9.9.9.9 53']);
  });

  it('whose name does not resolve, or leads to what no rule permits, get nothing', async () => {
    const { destinations, sent, refused } = setUp(['*:53/udp'], async (name) => {
      if (name === 'no.example') throw new Error('ENOTFOUND');
      return ['192.168.0.1'];
    });
    destinations.send(udp('no.example'), bytes('a'));
    destinations.send(udp('private.example'), bytes('a'));
    await settled();
    expect(sent).toEqual([]);
    expect(refused).toEqual(['no.example:53/udp name-not-found', 'private.example:53/udp not-allowed']);
  });

  it('are resolved a few at a time: others get nothing meanwhile', () => {
    const { destinations, resolved } = setUp(['*:53/udp']);
    for (let n = 0; n < 2 * MAX_FLOW_LOOKUPS; n++) destinations.send(udp(`${n}.example`), bytes('a'));
    // The peer as a whole has fewer at once.
    expect(resolved.length).toBeLessThanOrEqual(MAX_FLOW_LOOKUPS);
  });

  it('that found no place for their lookup are resolved for the next message, once there is one', async () => {
    const answers: (() => void)[] = [];
    const { destinations, sent } = setUp(
      ['*:53/udp'],
      (name) =>
        new Promise((resolve) =>
          answers.push(() => resolve([name === 'late.example' ? '9.9.9.9' : '8.8.8.8'])),
        ),
    );
    for (let n = 0; n < MAX_FLOW_LOOKUPS; n++) destinations.send(udp(`${n}.example`), bytes('a'));
    destinations.send(udp('late.example'), bytes('dropped'));
    for (let n = 0; n < MAX_FLOW_LOOKUPS; n++) {
      answers[n]?.();
      await settled();
    }
    destinations.send(udp('late.example'), bytes('in time'));
    await settled();
    answers.at(-1)?.();
    await settled();
    expect(sent.at(-1)).toBe('in time to 9.9.9.9 53');
    expect(sent).toHaveLength(MAX_FLOW_LOOKUPS + 1);
  });

  // spec forwarding 5.7
  it.each<[string, RequestStatus, () => Promise<readonly string[]>]>([
    ['does not resolve', 'name-not-found', () => Promise.reject(new Error('EAI_AGAIN'))],
    ['leads to nothing that is permitted', 'not-allowed', async () => ['10.0.0.1']],
  ])(
    'whose name %s are resolved again after a minute, though messages never stop',
    async (_what, status, fail) => {
      const dns = { works: false };
      const { destinations, sent, refused, resolved, timers } = setUp(['*:53/udp'], async () =>
        dns.works ? ['9.9.9.9'] : fail(),
      );
      const sendAndWait = async (text: string) => {
        destinations.send(udp('dns.example'), bytes(text));
        await settled();
      };
      await sendAndWait('a');
      dns.works = true;
      for (let ms = 0; ms < DESTINATION_NAME_MS; ms += 1000) {
        timers.advance(1000);
        await sendAndWait('b');
      }
      expect([resolved.length, sent, refused]).toEqual([1, [], [`dns.example:53/udp ${status}`]]);
      timers.advance(1);
      await sendAndWait('c');
      expect([resolved.length, sent]).toEqual([2, ['c to 9.9.9.9 53']]);
    },
  );

  it('give back the place of a lookup when it has ended, with or without addresses', async () => {
    const { destinations, sent, timers } = setUp(['*:53/udp'], async (name) => {
      if (name.startsWith('no')) throw Object.assign(new Error(name), { code: 'ENOTFOUND' });
      return ['9.9.9.9'];
    });
    for (let n = 0; n < 4 * MAX_FLOW_LOOKUPS; n++) {
      destinations.send(udp(`${n % 2 === 0 ? 'no' : 'yes'}${n}.example`), bytes('a'));
      await settled();
      timers.advance(1_000);
    }
    expect(sent).toHaveLength(2 * MAX_FLOW_LOOKUPS);
  });

  it('are forgotten, the one that was used the longest time ago first', () => {
    const { destinations, sent } = setUp(['9.0.0.0/8:53/udp']);
    const host = (n: number) => `9.9.${n >> 8}.${n & 255}`;
    for (let n = 0; n < MAX_DESTINATIONS; n++) destinations.send(udp(host(n)), bytes('a'));
    destinations.send(udp(host(0)), bytes('again'));
    destinations.send(udp(host(1000)), bytes('new'));
    expect(destinations.has({ address: host(0), port: 53 })).toBe(true);
    expect(destinations.has({ address: host(1), port: 53 })).toBe(false);
    expect(destinations.has({ address: host(1000), port: 53 })).toBe(true);
    expect(sent).toHaveLength(MAX_DESTINATIONS + 2);
  });

  it('stay heard while another name leads to the same address', async () => {
    const { destinations } = setUp(['*:53/udp'], async () => ['9.9.9.9']);
    destinations.send(udp('9.9.9.9'), bytes('a'));
    destinations.send(udp('a.example'), bytes('a'));
    await settled();
    for (let n = 0; n < MAX_DESTINATIONS - 1; n++)
      destinations.send(udp(`8.8.${n >> 8}.${n & 255}`), bytes('a'));
    expect(destinations.has({ address: '9.9.9.9', port: 53 })).toBe(true);
    destinations.send(udp('8.9.9.9'), bytes('a'));
    expect(destinations.has({ address: '9.9.9.9', port: 53 })).toBe(false);
  });

  it('are all forgotten when the rules change, with the names under way', async () => {
    const { destinations, sent } = setUp(['*:53/udp'], async () => ['9.9.9.9']);
    destinations.send(udp('8.8.8.8'), bytes('a'));
    destinations.send(udp('a.example'), bytes('b'));
    destinations.clear();
    await settled();
    expect(sent).toEqual(['a to 8.8.8.8 53']);
    expect(destinations.has({ address: '8.8.8.8', port: 53 })).toBe(false);
    // The next message is judged and resolved again.
    destinations.send(udp('8.8.8.8'), bytes('c'));
    destinations.send(udp('a.example'), bytes('d'));
    await settled();
    expect(sent.slice(1)).toEqual(['c to 8.8.8.8 53', 'd to 9.9.9.9 53']);
    expect(destinations.has({ address: '8.8.8.8', port: 53 })).toBe(true);
  });

  it.each([
    [
      'are forgotten for newer ones',
      ({ destinations }: ReturnType<typeof setUp>) => {
        for (let n = 0; n < MAX_DESTINATIONS; n++)
          destinations.send(udp(`9.9.${n >> 8}.${n & 255}`), bytes('a'));
      },
    ],
    [
      'are stale when they are asked for again',
      ({ destinations, timers }: ReturnType<typeof setUp>) => {
        timers.advance(DESTINATION_NAME_MS + 1);
        for (let n = 0; n < MAX_FLOW_LOOKUPS; n++) destinations.send(udp(`${n}.example`), bytes('a'));
        destinations.clear();
      },
    ],
  ])('that %s give back their lookups', (_what, forget) => {
    const parts = setUp(['*:53/udp']);
    const { destinations, lookups, resolved } = parts;
    for (let n = 0; n < MAX_FLOW_LOOKUPS; n++) destinations.send(udp(`${n}.example`), bytes('a'));
    expect(lookups.running + lookups.waiting).toBe(MAX_FLOW_LOOKUPS);
    destinations.send(udp('no-place.example'), bytes('a'));
    expect(lookups.running + lookups.waiting).toBe(MAX_FLOW_LOOKUPS);
    forget(parts);
    // A lookup that has begun cannot be stopped, but those that waited are gone, and their places are free again.
    expect([lookups.running, lookups.waiting]).toEqual([resolved.length, 0]);
    const before = lookups.running;
    for (let n = 0; n < MAX_FLOW_LOOKUPS; n++) destinations.send(udp(`new${n}.example`), bytes('a'));
    expect(lookups.running + lookups.waiting - before).toBe(MAX_FLOW_LOOKUPS);
  });
});
