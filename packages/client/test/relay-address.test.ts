import type { Address } from '@underpass/protocol';
import { UnderpassError } from '@underpass/runtime';
import { describe, expect, it } from 'vitest';
import {
  type Contact,
  NameFollower,
  type NameLookup,
  resolveRelay,
  SILENCE_MS,
} from '../src/relay-address.js';

describe("the relay's address", () => {
  it('is taken as it is when it is one', async () => {
    const never: NameLookup = () => Promise.reject(new Error('not to be asked'));
    expect(await resolveRelay({ host: '2001:db8::1', port: 1 }, never)).toEqual([
      { address: '2001:db8::1', port: 1 },
    ]);
  });

  it.each<[string, NameLookup, string]>([
    [
      'does not exist',
      () => Promise.reject(Object.assign(new Error('x'), { code: 'ENOTFOUND' })),
      'ENOTFOUND',
    ],
    ['has no address', async () => [], 'no address'],
  ])('is asked for in words when the name %s', async (_what, lookUp, reason) => {
    const failure = await resolveRelay({ host: 'relay.example', port: 1 }, lookUp).catch((e: unknown) => e);
    expect(failure).toBeInstanceOf(UnderpassError);
    expect(failure).toMatchObject({
      code: 'name-not-found',
      message: `the relay's name relay.example does not resolve (${reason})`,
      hint: "check the name and this machine's network",
    });
  });
});

/** A relay with a name, and one timer that fires when the test says so. */
function setUp(host = 'relay.example', ...answers: readonly (readonly string[] | Error)[]) {
  let contact: Contact = { datagramsSent: 0, datagramsReceived: 0, bytesInFlight: 0, hasKeys: false };
  let current: Address = { address: '192.0.2.1', port: 51_820 };
  let due: (() => void) | undefined;
  let asked = 0;
  const set: Address[] = [];
  const follower = new NameFollower({
    relay: { host, port: 51_820 },
    current: () => current,
    setAddress: (address) => {
      current = address;
      set.push(address);
    },
    contact: () => contact,
    timers: {
      set: (callback, delayMs) => {
        expect(delayMs).toBe(SILENCE_MS);
        due = callback;
        return {};
      },
      clear: () => {
        due = undefined;
      },
    },
    lookUp: async () => {
      const answer = answers[asked++] ?? answers.at(-1) ?? [];
      if (answer instanceof Error) throw answer;
      return answer;
    },
  });
  return {
    follower,
    addresses: () => set.map(({ address }) => address),
    asked: () => asked,
    isWaiting: () => due !== undefined,
    /** One interval passes, at the end of which contact is so. */
    async pass(change: Partial<Contact>) {
      contact = { ...contact, ...change };
      const fire = due;
      due = undefined;
      fire?.();
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

describe('a relay whose name leads elsewhere', () => {
  it('is found when it stays silent', async () => {
    const { addresses, pass } = setUp('relay.example', ['192.0.2.9']);
    await pass({ datagramsSent: 2 });
    expect(addresses()).toEqual(['192.0.2.9']);
  });

  it('is tried at each of its addresses in turn', async () => {
    const { addresses, pass } = setUp('relay.example', ['192.0.2.1', '2001:db8::1', '192.0.2.3']);
    for (let sent = 1; sent <= 4; sent++) await pass({ datagramsSent: sent });
    expect(addresses()).toEqual(['2001:db8::1', '192.0.2.3', '192.0.2.1', '2001:db8::1']);
  });

  it('is not asked for while it answers, nor while nobody wants an answer', async () => {
    const { asked, pass } = setUp();
    await pass({ datagramsSent: 1, datagramsReceived: 1, hasKeys: true });
    await pass({ datagramsSent: 5, bytesInFlight: 100 }); // just begun
    await pass({ datagramsSent: 9, datagramsReceived: 2 });
    await pass({ bytesInFlight: 0 });
    await pass({ datagramsSent: 10 }); // a persistent keepalive
    await pass({ datagramsSent: 11 });
    await pass({ hasKeys: false }); // idle until the keys are gone
    await pass({});
    expect(asked()).toBe(0);
  });

  it('is asked for when packets stay unanswered', async () => {
    const { asked, pass } = setUp('relay.example', ['192.0.2.9']);
    await pass({ datagramsSent: 1, datagramsReceived: 1, hasKeys: true, bytesInFlight: 100 });
    expect(asked()).toBe(0);
    await pass({ datagramsSent: 2 });
    expect(asked()).toBe(1);
  });

  it('stays where it was while names do not resolve', async () => {
    const { addresses, asked, pass } = setUp('relay.example', new Error('EAI_AGAIN'), ['192.0.2.9']);
    await pass({ datagramsSent: 1 });
    expect([asked(), addresses()]).toEqual([1, []]);
    await pass({ datagramsSent: 2 });
    expect(addresses()).toEqual(['192.0.2.9']);
  });

  it('is followed no more once stopped', async () => {
    const { follower, isWaiting } = setUp('relay.example', ['192.0.2.9']);
    follower.stop();
    expect(isWaiting()).toBe(false);
  });

  it('is nothing to follow when it was given as an address', () => {
    expect(setUp('192.0.2.1').isWaiting()).toBe(false);
  });
});
