import type { Address } from '@underpass/protocol';
import { describe, expect, it } from 'vitest';
import {
  ATTEMPT_DELAY_MS,
  MAX_LOOKUP_RETRY_MS,
  NEXT_ATTEMPT_DELAY_MS,
  SILENCE_MS,
} from '../src/client-constants.js';
import { type Contact, RelayFinder } from '../src/relay-finder.js';
import { FakeTimers } from './fake-timers.js';

const V6 = '2001:db8::1';
const V4 = '192.0.2.1';
const OTHER_V4 = '192.0.2.2';

/** A relay with a name. `answers` are the results of its lookups; the last one is repeated. */
function setUp(host = 'relay.example', ...answers: readonly (readonly string[] | string)[]) {
  const timers = new FakeTimers();
  const state = {
    contact: {
      address: undefined,
      datagramsSent: 0,
      datagramsReceived: 0,
      bytesInFlight: 0,
      hasKeys: false,
    } as Contact,
    tried: [] as string[],
    unresolved: [] as string[],
    lookups: 0,
    /** Replaces the answers. */
    lookUp: undefined as (() => Promise<readonly string[]>) | undefined,
    /** When another port was asked for. */
    portChanges: [] as number[],
    /** Called while a lookup is under way. */
    duringLookup: () => {},
    /** Called after each failed lookup. */
    onUnresolved: () => {},
  };
  const useAddress = (address: Address): void => {
    state.contact = { ...state.contact, address };
  };
  const finder = new RelayFinder({
    relay: { host, port: 51_820 },
    setAddress: useAddress,
    tryAddress: (address) => {
      state.tried.push(`${timers.now} ${address.address}`);
      useAddress(address);
      state.contact = { ...state.contact, datagramsSent: state.contact.datagramsSent + 1 };
    },
    changePort: () => state.portChanges.push(timers.now),
    contact: () => state.contact,
    onUnresolved: (code) => {
      state.unresolved.push(`${timers.now} ${code}`);
      state.onUnresolved();
    },
    timers,
    lookUp: async () => {
      const answer = answers[state.lookups++] ?? answers.at(-1) ?? [];
      if (state.lookUp !== undefined) return state.lookUp();
      state.duringLookup();
      if (typeof answer === 'string') throw Object.assign(new Error('x'), { code: answer });
      return answer;
    },
  });
  /** A datagram arrives from the relay's current address, or from `address`. */
  const hear = (address = state.contact.address?.address ?? ''): void => {
    const { datagramsReceived } = state.contact;
    state.contact = {
      ...state.contact,
      address: { address, port: 51_820 },
      datagramsReceived: datagramsReceived + 1,
      hasKeys: true,
    };
  };
  /** Packets wait for an acknowledgement that does not arrive. */
  const ask = (): void => {
    const { datagramsSent } = state.contact;
    state.contact = { ...state.contact, datagramsSent: datagramsSent + 1, bytesInFlight: 100 };
  };
  return { finder, timers, state, hear, ask };
}

describe('the first contact', () => {
  it('tries the next address after 250 ms, and stops when one answers (spec outage 7)', async () => {
    const { finder, timers, state, hear } = setUp('relay.example', [V6, V4]);
    finder.seek();
    await finder.start();
    await timers.runTo(ATTEMPT_DELAY_MS + 30);
    hear();
    await timers.runTo(SILENCE_MS - 1);
    expect(state.tried).toEqual([`0 ${V6}`, `${ATTEMPT_DELAY_MS} ${V4}`]);
  });

  it('tries all addresses again, one each second, until one answers (spec outage 7)', async () => {
    const { finder, timers, state } = setUp('relay.example', [V6, V4]);
    await finder.start();
    expect(state.tried).toEqual([]);
    finder.seek();
    await timers.runTo(3_000);
    const again = ATTEMPT_DELAY_MS + NEXT_ATTEMPT_DELAY_MS;
    expect(state.tried.slice(2)).toEqual([`${again} ${V6}`, `${again + NEXT_ATTEMPT_DELAY_MS} ${V4}`]);
  });

  it('does not wait for an address to which the system refuses to send (spec outage 7)', async () => {
    const { finder, timers, state } = setUp('relay.example', [V6, V4]);
    finder.seek();
    await finder.start();
    finder.onSendError({ address: V4, port: 51_820 });
    expect(state.tried).toEqual([`0 ${V6}`]);
    finder.onSendError({ address: V6, port: 51_820 });
    expect(state.tried).toEqual([`0 ${V6}`, `0 ${V4}`]);
    // If the system refuses all of them, the interval applies again.
    for (let i = 0; i < 10; i++) finder.onSendError({ address: V4, port: 51_820 });
    await timers.runTo(NEXT_ATTEMPT_DELAY_MS - 1);
    expect(state.tried).toHaveLength(2);
  });

  it('passes over an address that the system refuses, but not because of a late report about an earlier one', async () => {
    const { finder, state } = setUp('relay.example', [V6, V4, OTHER_V4]);
    finder.seek();
    await finder.start();
    finder.onSendError({ address: V6, port: 51_820 });
    finder.onSendError({ address: V6, port: 51_820 });
    expect(state.tried).toEqual([`0 ${V6}`, `0 ${V4}`]);
  });

  it('is one search, however many connections need the relay', async () => {
    const { finder, timers, state } = setUp('relay.example', [V6, V4]);
    finder.seek();
    await finder.start();
    await timers.runTo(ATTEMPT_DELAY_MS - 1);
    finder.seek();
    expect(state.tried).toEqual([`0 ${V6}`]);
  });

  it('stops at the address that answered, which need not be the one tried last (spec outage 7)', async () => {
    const { finder, timers, state, hear, ask } = setUp('relay.example', [V6, V4]);
    finder.seek();
    await finder.start();
    await timers.runTo(ATTEMPT_DELAY_MS);
    hear(V6);
    await timers.runTo(2 * SILENCE_MS);
    expect(state.tried).toHaveLength(2);
    // The next search begins with the other address, because the one that answered is silent now.
    ask();
    await timers.runTo(3 * SILENCE_MS);
    ask();
    await timers.runTo(4 * SILENCE_MS + ATTEMPT_DELAY_MS);
    expect(state.tried.slice(2)).toEqual([
      `${4 * SILENCE_MS} ${V4}`,
      `${4 * SILENCE_MS + ATTEMPT_DELAY_MS} ${V6}`,
    ]);
  });

  it('stops at an answer also while packets are on their way to the address that answered', async () => {
    const { finder, timers, state, hear, ask } = setUp('relay.example', [V6, V4]);
    finder.seek();
    await finder.start();
    hear();
    ask();
    await timers.runTo(SILENCE_MS - 1);
    expect(state.tried).toEqual([`0 ${V6}`]);
  });

  it('goes to the only address as soon as something needs the relay', async () => {
    const { finder, timers, state } = setUp(V4);
    await finder.start();
    await timers.runTo(1_000);
    finder.seek();
    expect(state.tried).toEqual([`1000 ${V4}`]);
  });

  it('waits for a name that does not resolve yet, and reports each failed lookup (spec outage 6)', async () => {
    const { finder, timers, state } = setUp('relay.example', 'EAI_AGAIN', 'EAI_AGAIN', 'ENOTFOUND', [V4]);
    finder.seek();
    expect(await finder.start()).toBe('EAI_AGAIN');
    await timers.runTo(60_000);
    expect(state.unresolved).toEqual(['0 EAI_AGAIN', '1000 EAI_AGAIN', '3000 ENOTFOUND']);
    expect(state.tried).toEqual([`7000 ${V4}`]);
  });

  it('looks up such a name at least every 15 s (spec outage 6)', async () => {
    const { finder, timers, state } = setUp('relay.example', 'EAI_AGAIN');
    await finder.start();
    await timers.runTo(10 * MAX_LOOKUP_RETRY_MS);
    expect(state.lookups).toBeGreaterThanOrEqual(10);
    finder.stop();
    const { lookups } = state;
    await timers.runTo(20 * MAX_LOOKUP_RETRY_MS);
    expect(state.lookups).toBe(lookups);
    expect(timers.pending).toBe(0);
  });

  it('uses the first address that it finds, even before anything needs the relay', async () => {
    const { finder, state } = setUp('relay.example', [V4, V6]);
    await finder.start();
    expect([state.contact.address?.address, state.tried]).toEqual([V4, []]);
  });

  it('that is stopped uses no address that is found later, and leaves no timer behind', async () => {
    for (const answer of [[V4], 'EAI_AGAIN']) {
      const { finder, state, timers } = setUp('relay.example', answer);
      state.duringLookup = () => finder.stop();
      finder.seek();
      expect(await finder.start()).toBeUndefined();
      expect([state.contact.address, state.tried, state.unresolved]).toEqual([undefined, [], []]);
      expect(timers.pending).toBe(0);
    }
  });

  it('that is stopped because of a failed lookup makes no other', async () => {
    const { finder, state, timers } = setUp('relay.example', 'ENOTFOUND');
    state.onUnresolved = () => finder.stop();
    await finder.start();
    expect([state.lookups, timers.pending]).toEqual([1, 0]);
  });

  it('that is stopped tries no other address, although the system refuses the one tried last', async () => {
    const { finder, state, timers } = setUp('relay.example', [V6, V4]);
    finder.seek();
    await finder.start();
    finder.stop();
    finder.onSendError({ address: V6, port: 51_820 });
    expect([state.tried, timers.pending]).toEqual([[`0 ${V6}`], 0]);
  });
});

describe('a relay that falls silent', () => {
  /** A relay that was reached at V4 long ago. */
  async function reached(...later: readonly (readonly string[] | string)[]) {
    const all = setUp('relay.example', [V4], ...later);
    all.finder.seek();
    await all.finder.start();
    all.hear();
    await all.timers.runTo(SILENCE_MS);
    all.state.tried.length = 0;
    return all;
  }

  it('is found at the new address of its name (spec outage 6)', async () => {
    const { timers, state, ask } = await reached([OTHER_V4]);
    ask();
    await timers.runTo(2 * SILENCE_MS);
    expect(state.tried).toEqual([]);
    ask();
    await timers.runTo(3 * SILENCE_MS);
    expect(state.tried).toEqual([`${3 * SILENCE_MS} ${OTHER_V4}`]);
  });

  it('is tried every other time at the address that answered last (spec outage 7)', async () => {
    const { timers, state, ask } = await reached([V4, V6, OTHER_V4]);
    ask();
    await timers.runTo(2 * SILENCE_MS);
    ask();
    await timers.runTo(3 * SILENCE_MS + 3 * ATTEMPT_DELAY_MS);
    expect(state.tried.map((text) => text.split(' ')[1])).toEqual([V6, V4, OTHER_V4, V4]);
  });

  it('is searched for again although its name has the same addresses as in the first search', async () => {
    const { finder, timers, state, hear, ask } = setUp('relay.example', [V6, V4]);
    finder.seek();
    await finder.start();
    await timers.runTo(ATTEMPT_DELAY_MS);
    hear();
    await timers.runTo(SILENCE_MS);
    state.tried.length = 0;
    for (const checks of [2, 3]) {
      ask();
      await timers.runTo(checks * SILENCE_MS);
    }
    expect(state.tried).toEqual([`${3 * SILENCE_MS} ${V6}`]);
  });

  describe('while a search for it is running', () => {
    /** The relay answered at V6. It has been searched for at V4 and V6 since then, until its name is looked up again.
     *  @returns the first address that is tried from then on, and when */
    async function nextTry(...found: readonly string[]): Promise<string | undefined> {
      return (await triesAfter([V6, V4], found))[0];
    }

    /** The same for a name with any addresses. @returns all that are tried until the next lookup */
    async function triesAfter(before: readonly string[], found: readonly string[]) {
      const { finder, timers, state, hear, ask } = setUp('relay.example', [V6, V4], before, found);
      finder.seek();
      await finder.start();
      hear();
      for (const checks of [1, 2, 3]) {
        await timers.runTo(checks * SILENCE_MS);
        ask();
      }
      expect(state.tried.at(-1)).toBe(`${3 * SILENCE_MS} ${V4}`);
      await timers.runTo(4 * SILENCE_MS - 1);
      state.tried.length = 0;
      await timers.runTo(5 * SILENCE_MS - 1);
      return state.tried;
    }

    it('continues the search if the name still has the same addresses', async () => {
      expect(await nextTry(V6, V4)).toBe(`${4 * SILENCE_MS + ATTEMPT_DELAY_MS} ${V6}`);
    });

    it('searches at the new addresses at once if it has others', async () => {
      expect(await nextTry(V6, OTHER_V4)).toBe(`${4 * SILENCE_MS} ${OTHER_V4}`);
    });

    it('tries no address that the name has lost', async () => {
      const tries = await triesAfter([V6, V4, OTHER_V4], [V6, V4]);
      expect(new Set(tries.map((text) => text.split(' ')[1]))).toEqual(new Set([V4, V6]));
    });

    it('stops when nothing is due any more', async () => {
      const { finder, timers, state, hear, ask } = setUp('relay.example', [V6, V4]);
      finder.seek();
      await finder.start();
      hear();
      for (const checks of [1, 2, 3]) {
        await timers.runTo(checks * SILENCE_MS);
        ask();
      }
      state.tried.length = 0;
      state.contact = { ...state.contact, bytesInFlight: 0 };
      await timers.runTo(4 * SILENCE_MS);
      expect(state.tried).toEqual([]);
    });

    it('returns to the address that answered last if no other is left', async () => {
      expect(await nextTry(V6)).toBe(`${4 * SILENCE_MS} ${V6}`);
    });
  });

  it('is searched for from the first of its new addresses on, wherever the last search ended', async () => {
    const { finder, timers, state, hear, ask } = setUp('relay.example', [V6, V4], [OTHER_V4, V4]);
    finder.seek();
    await finder.start();
    hear();
    await timers.runTo(SILENCE_MS);
    expect(state.tried).toEqual([`0 ${V6}`]);
    ask();
    await timers.runTo(2 * SILENCE_MS);
    ask();
    await timers.runTo(3 * SILENCE_MS);
    expect(state.tried[1]).toBe(`${3 * SILENCE_MS} ${OTHER_V4}`);
  });

  it('causes no lookup while it answers, or while no answer is due (spec outage 6)', async () => {
    const { timers, state, hear, ask } = await reached([OTHER_V4]);
    ask();
    await timers.runTo(2 * SILENCE_MS);
    ask();
    hear();
    await timers.runTo(3 * SILENCE_MS);
    state.contact = { ...state.contact, bytesInFlight: 0 };
    await timers.runTo(4 * SILENCE_MS);
    // A persistent keepalive.
    state.contact = { ...state.contact, datagramsSent: state.contact.datagramsSent + 1 };
    await timers.runTo(6 * SILENCE_MS);
    // Idle until the keys expire.
    state.contact = { ...state.contact, hasKeys: false };
    await timers.runTo(9 * SILENCE_MS);
    // Two minutes of persistent keepalives.
    for (let interval = 10; interval <= 22; interval++) {
      state.contact = { ...state.contact, hasKeys: true, datagramsSent: state.contact.datagramsSent + 1 };
      await timers.runTo(interval * SILENCE_MS);
    }
    expect([state.tried, state.lookups, state.portChanges]).toEqual([[], 1, []]);
  });

  it('keeps its address if it is heard during the lookup (spec outage 6)', async () => {
    const { timers, state, hear, ask } = await reached([OTHER_V4]);
    state.duringLookup = hear;
    ask();
    await timers.runTo(2 * SILENCE_MS);
    ask();
    await timers.runTo(3 * SILENCE_MS);
    expect([state.tried, state.lookups]).toEqual([[], 2]);
  });

  it('keeps its address while its name does not resolve (spec outage 6)', async () => {
    const { timers, state, ask } = await reached('EAI_AGAIN', [OTHER_V4]);
    ask();
    await timers.runTo(2 * SILENCE_MS);
    for (let looks = 3; looks <= 4; looks++) {
      ask();
      await timers.runTo(looks * SILENCE_MS);
    }
    expect(state.lookups).toBe(3);
    expect(state.tried).toEqual([`${4 * SILENCE_MS} ${OTHER_V4}`]);
    expect(state.unresolved).toEqual([]);
  });

  it('makes the client switch to another port although a lookup does not end (spec outage 10)', async () => {
    const { timers, state, ask } = await reached();
    state.lookUp = () => new Promise(() => undefined);
    for (let interval = 2; interval <= 12; interval++) {
      ask();
      await timers.runTo(interval * SILENCE_MS);
    }
    expect(state.portChanges).toEqual([50_000, 110_000]);
    expect(state.lookups).toBe(2);
  });

  it('causes no lookup if it was given as an IP literal', async () => {
    const { finder, timers, state } = setUp(V4);
    finder.seek();
    await finder.start();
    await timers.runTo(10 * SILENCE_MS);
    finder.stop();
    expect([state.tried, state.lookups, state.portChanges, timers.pending]).toEqual([[`0 ${V4}`], 0, [], 0]);
  });

  it.each([
    ['a name', 'relay.example'],
    ['an IP literal', V4],
  ])(
    'makes the client switch to another port after three checks, and then every minute, given %s (spec outage 10)',
    async (_, host) => {
      const { finder, timers, state, ask, hear } = setUp(host, [V4]);
      finder.seek();
      await finder.start();
      /** Nothing is heard during so many intervals, while the client keeps asking. */
      const keepAsking = async (intervals: number) => {
        const from = timers.now / SILENCE_MS;
        for (let i = 1; i <= intervals; i++) {
          ask();
          await timers.runTo((from + i) * SILENCE_MS);
        }
      };
      hear();
      await timers.runTo(SILENCE_MS);
      await keepAsking(1 + 15);
      expect(state.portChanges).toEqual([50_000, 110_000, 170_000]);
      // The first interval began before an answer was due.
      hear();
      await keepAsking(1 + 2);
      hear();
      await keepAsking(1 + 2);
      expect(state.portChanges).toHaveLength(3);
      await keepAsking(1);
      expect(state.portChanges).toHaveLength(4);
    },
  );

  it('makes the client switch to another port also if it has never answered (spec outage 10)', async () => {
    const { finder, timers, state, ask } = setUp(V4);
    finder.seek();
    await finder.start();
    for (let interval = 1; interval <= 10; interval++) {
      await timers.runTo(interval * SILENCE_MS);
      ask();
    }
    expect(state.portChanges).toEqual([30_000, 90_000]);
  });
});
