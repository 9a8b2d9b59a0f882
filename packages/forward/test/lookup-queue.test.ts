import { describe, expect, it } from 'vitest';
import {
  MAX_LOOKUPS,
  MAX_LOOKUPS_PER_PEER,
  MAX_REMEMBERED_SLOW_NAMES,
  MAX_SLOW_LOOKUPS,
  MAX_SLOW_LOOKUPS_PER_PEER,
  SLOW_LOOKUP_MS,
} from '../src/forward-constants.js';
import { type LookupOutcome, LookupQueue } from '../src/lookup-queue.js';
import { FakeTimers } from './fake-timers.js';

/** A resolver that answers when the test tells it to. */
class SlowResolver {
  readonly asked: string[] = [];
  readonly #answers = new Map<
    string,
    { readonly resolve: (addresses: string[]) => void; readonly reject: (error: Error) => void }
  >();

  readonly resolve = (name: string): Promise<readonly string[]> => {
    this.asked.push(name);
    return new Promise((resolve, reject) => this.#answers.set(name, { resolve, reject }));
  };
  async answer(name: string, addresses: string[]): Promise<void> {
    this.#answers.get(name)?.resolve(addresses);
    await settled();
  }
  async fail(name: string, error: Error): Promise<void> {
    this.#answers.get(name)?.reject(error);
    await settled();
  }
}

/** Resolves when everything that an answer causes has happened. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function setUp() {
  const resolver = new SlowResolver();
  const timers = new FakeTimers();
  const queue = new LookupQueue(resolver.resolve, timers);
  const outcomes: [string, LookupOutcome][] = [];
  const look = (owner: object, name: string) =>
    queue.lookup(owner, name, (outcome) => outcomes.push([name, outcome]));
  const lookMany = (owner: object, name: string, count: number) => {
    for (let i = 0; i < count; i++) look(owner, `${name}${i}`);
  };
  return { resolver, queue, outcomes, look, lookMany, timers };
}

// spec forwarding 2.5: "slow names MUST NOT hold up other names"
describe('the queue of names', () => {
  it('passes on the answer of the resolver, or its error', async () => {
    const { resolver, outcomes, look, timers } = setUp();
    const failure = new Error('ENOTFOUND');
    look({}, 'a');
    look({}, 'b');
    await resolver.answer('a', ['192.0.2.1']);
    await resolver.fail('b', failure);
    expect(outcomes).toEqual([
      ['a', { ok: true, addresses: ['192.0.2.1'] }],
      ['b', { ok: false, error: failure }],
    ]);
    expect(timers.pending).toBe(0);
  });

  it('resolves a few names of one peer at a time while the others wait', async () => {
    const { resolver, queue, lookMany } = setUp();
    lookMany({}, 'name', 6);
    expect([queue.running, queue.waiting]).toEqual([MAX_LOOKUPS_PER_PEER, 2]);
    await resolver.answer('name2', []);
    expect(resolver.asked.at(-1)).toBe('name4');
    expect([queue.running, queue.waiting]).toEqual([MAX_LOOKUPS_PER_PEER, 1]);
  });

  it("does not let one peer's names hold up another's", () => {
    const { resolver, look, lookMany } = setUp();
    lookMany({}, 'slow', 10);
    look({}, 'other');
    expect(resolver.asked.at(-1)).toBe('other');
  });

  it("does not let a peer's slow names hold up its quick ones", () => {
    const { resolver, look, lookMany, timers } = setUp();
    const peer = {};
    lookMany(peer, 'slow', MAX_LOOKUPS_PER_PEER + 1);
    look(peer, 'quick');
    expect(resolver.asked).not.toContain('quick');
    timers.advance(SLOW_LOOKUP_MS - 1);
    expect(resolver.asked).not.toContain('quick');
    timers.advance(1);
    expect(resolver.asked.at(-1)).toBe('quick');
  });

  it('counts a name that was slow as slow from the start, until it is quick again', async () => {
    const { resolver, look, lookMany, timers } = setUp();
    const peer = {};
    for (let round = 0; round < 5; round++) {
      lookMany(peer, 'slow', MAX_LOOKUPS_PER_PEER);
      timers.advance(SLOW_LOOKUP_MS);
      for (let i = 0; i < MAX_LOOKUPS_PER_PEER; i++) await resolver.answer(`slow${i}`, []);
    }
    lookMany(peer, 'slow', MAX_LOOKUPS_PER_PEER);
    look(peer, 'quick');
    expect(resolver.asked.at(-1)).toBe('quick');
    for (let i = 0; i < MAX_LOOKUPS_PER_PEER; i++) await resolver.answer(`slow${i}`, []);
    await resolver.answer('quick', []);
    // They are quick now, and count as quick.
    lookMany(peer, 'slow', MAX_LOOKUPS_PER_PEER);
    look(peer, 'other');
    expect(resolver.asked).not.toContain('other');
  });

  it('limits slow names per peer and over all peers, so that others keep their share', () => {
    const { queue, resolver, look, lookMany, timers } = setUp();
    const peers = Array.from({ length: 4 }, () => ({}));
    for (const [index, peer] of peers.entries()) lookMany(peer, `slow${index}-`, 50);
    for (let i = 0; i < 20; i++) timers.advance(SLOW_LOOKUP_MS);
    expect(queue.running).toBe(MAX_LOOKUPS);
    const asked = (index: number) => resolver.asked.filter((name) => name.startsWith(`slow${index}-`)).length;
    for (const index of peers.keys()) {
      expect(asked(index)).toBeLessThanOrEqual(MAX_SLOW_LOOKUPS_PER_PEER + MAX_LOOKUPS_PER_PEER);
    }
    expect(MAX_SLOW_LOOKUPS).toBeLessThan(MAX_LOOKUPS);
    look({}, 'waits');
    expect(queue.waiting).toBe(4 * 50 - MAX_LOOKUPS + 1);
  });

  it('resolves the same name once, for all requests that wait for it', async () => {
    const { resolver, queue, outcomes, look } = setUp();
    const peer = {};
    look(peer, 'a');
    look(peer, 'a')();
    look(peer, 'a');
    look({}, 'a');
    expect([resolver.asked, queue.running]).toEqual([['a', 'a'], 2]);
    await resolver.answer('a', ['192.0.2.1']);
    expect(outcomes).toHaveLength(1); // of the second request: the test's resolver knows one request per name
    expect(queue.running).toBe(1);
  });

  it('remembers a limited number of slow names and forgets the oldest', async () => {
    const { resolver, look, timers } = setUp();
    const peer = {};
    for (let i = 0; i <= MAX_REMEMBERED_SLOW_NAMES; i++) {
      look(peer, `slow${i}`);
      timers.advance(SLOW_LOOKUP_MS);
      await resolver.answer(`slow${i}`, []);
    }
    // The first name was forgotten, so it takes a quick place. The second one takes a slow place.
    for (let i = 0; i < MAX_LOOKUPS_PER_PEER - 1; i++) look(peer, `new${i}`);
    look(peer, 'slow1');
    look(peer, 'slow0');
    look(peer, 'late');
    expect(resolver.asked.at(-1)).toBe('slow0');
  });

  it('lets names that are known to be slow wait for the slow places of their peer', async () => {
    const { resolver, queue, look, lookMany, timers } = setUp();
    const peer = {};
    for (let i = 0; i <= MAX_SLOW_LOOKUPS_PER_PEER; i++) {
      look(peer, `slow${i}`);
      timers.advance(SLOW_LOOKUP_MS);
      await resolver.answer(`slow${i}`, []);
    }
    lookMany(peer, 'slow', MAX_SLOW_LOOKUPS_PER_PEER + 1);
    expect([queue.running, queue.waiting]).toEqual([MAX_SLOW_LOOKUPS_PER_PEER, 1]);
    look(peer, 'quick');
    expect(resolver.asked.at(-1)).toBe('quick');
  });

  it('lets slow names of many peers leave places for quick ones of others', () => {
    const { resolver, queue, look, lookMany, timers } = setUp();
    for (let i = 0; i < MAX_SLOW_LOOKUPS / MAX_LOOKUPS_PER_PEER; i++) {
      lookMany({}, `slow${i}-`, MAX_LOOKUPS_PER_PEER);
      timers.advance(SLOW_LOOKUP_MS);
    }
    const late = {};
    lookMany(late, 'late', MAX_LOOKUPS_PER_PEER);
    timers.advance(SLOW_LOOKUP_MS);
    // All slow places are taken, so these overdue names keep the quick places of their peer.
    look(late, 'waits');
    expect([queue.running, queue.waiting]).toEqual([MAX_SLOW_LOOKUPS + MAX_LOOKUPS_PER_PEER, 1]);
    look({}, 'quick');
    expect(resolver.asked.at(-1)).toBe('quick');
  });

  it('keeps a waiting name when one of its two requests is cancelled', async () => {
    const { resolver, outcomes, look, lookMany } = setUp();
    const peer = {};
    lookMany(peer, 'name', MAX_LOOKUPS_PER_PEER);
    look(peer, 'late');
    look(peer, 'late')();
    await resolver.answer('name0', []);
    await resolver.answer('late', ['192.0.2.2']);
    expect(outcomes.at(-1)).toEqual(['late', { ok: true, addresses: ['192.0.2.2'] }]);
  });

  it('forgets a waiting name when its request is cancelled', () => {
    const { queue, look, lookMany } = setUp();
    const peer = {};
    lookMany(peer, 'name', MAX_LOOKUPS_PER_PEER);
    const callOff = look(peer, 'late');
    callOff();
    callOff();
    expect(queue.waiting).toBe(0);
  });

  it('resolves a name that was cancelled while it waited and then requested again', async () => {
    const { resolver, outcomes, look, lookMany } = setUp();
    const peer = {};
    lookMany(peer, 'name', MAX_LOOKUPS_PER_PEER);
    look(peer, 'late')();
    look(peer, 'late');
    await resolver.answer('name0', ['192.0.2.1']);
    await resolver.answer('late', ['192.0.2.2']);
    expect(outcomes.at(-1)).toEqual(['late', { ok: true, addresses: ['192.0.2.2'] }]);
  });

  it('counts a cancelled resolution until it ends', async () => {
    const { resolver, queue, outcomes, look } = setUp();
    look({}, 'a')();
    expect(queue.running).toBe(1);
    await resolver.answer('a', ['192.0.2.1']);
    expect([queue.running, outcomes]).toEqual([0, []]);
  });

  it('counts a slow name as slow for its peer and for all until it is resolved', async () => {
    const { resolver, look, lookMany, timers } = setUp();
    const peers = Array.from({ length: 3 }, () => ({}));
    const rounds = Math.ceil(MAX_SLOW_LOOKUPS_PER_PEER / MAX_LOOKUPS_PER_PEER);
    const fill = (peer: object, name: string) => {
      for (let round = 0; round < rounds; round++) {
        lookMany(peer, `${name}${round}-`, MAX_LOOKUPS_PER_PEER);
        timers.advance(SLOW_LOOKUP_MS);
      }
    };
    for (const [i, peer] of peers.entries()) fill(peer, `slow${i}-`);
    expect(resolver.asked).toHaveLength(MAX_SLOW_LOOKUPS);
    const [first] = peers as [object];
    // All slow places of this peer are taken, so what becomes overdue now keeps its quick place.
    lookMany(first, 'more', MAX_LOOKUPS_PER_PEER);
    timers.advance(SLOW_LOOKUP_MS);
    look(first, 'waits');
    expect(resolver.asked).not.toContain('waits');
    // The same goes for a peer that has no slow name yet, because all slow places are taken.
    const other = {};
    lookMany(other, 'other', MAX_LOOKUPS_PER_PEER);
    timers.advance(SLOW_LOOKUP_MS);
    look(other, 'waits too');
    expect(resolver.asked).not.toContain('waits too');
    // A slow place that is given back goes to a name that is overdue, whose quick place goes to the next name.
    await resolver.answer('slow0-0-0', []);
    expect(resolver.asked).toContain('waits');
    expect(resolver.asked).not.toContain('waits too');
    // The first peer has its share, so the next one goes to the other.
    await resolver.answer('slow1-0-0', []);
    expect(resolver.asked.at(-1)).toBe('waits too');
  });
});
