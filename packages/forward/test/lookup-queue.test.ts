import { describe, expect, it } from 'vitest';
import { MAX_LOOKUPS, MAX_LOOKUPS_PER_PEER } from '../src/forward-constants.js';
import { type LookupOutcome, LookupQueue } from '../src/lookup-queue.js';

/** A resolver that answers when the test says so. */
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

/** What follows from an answer has happened. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function setUp() {
  const resolver = new SlowResolver();
  const queue = new LookupQueue(resolver.resolve);
  const outcomes: [string, LookupOutcome][] = [];
  const look = (owner: object, name: string) =>
    queue.lookup(owner, name, (outcome) => outcomes.push([name, outcome]));
  return { resolver, queue, outcomes, look };
}

describe('the queue of names', () => {
  it('tells what the resolver says, or why it does not', async () => {
    const { resolver, outcomes, look } = setUp();
    const failure = new Error('ENOTFOUND');
    look({}, 'a');
    look({}, 'b');
    await resolver.answer('a', ['192.0.2.1']);
    await resolver.fail('b', failure);
    expect(outcomes).toEqual([
      ['a', { ok: true, addresses: ['192.0.2.1'] }],
      ['b', { ok: false, error: failure }],
    ]);
  });

  it('resolves few names of one peer at a time; the others wait their turn (spec forwarding 2.5)', async () => {
    const { resolver, queue, look } = setUp();
    const peer = {};
    for (let i = 0; i < 6; i++) look(peer, `name${i}`);
    expect([queue.running, queue.waiting]).toEqual([MAX_LOOKUPS_PER_PEER, 2]);
    await resolver.answer('name2', []);
    expect(resolver.asked.at(-1)).toBe('name4');
    expect([queue.running, queue.waiting]).toEqual([MAX_LOOKUPS_PER_PEER, 1]);
  });

  it("does not let one peer's names hold up another's (spec forwarding 2.5)", () => {
    const { resolver, look } = setUp();
    const slow = {};
    for (let i = 0; i < 10; i++) look(slow, `slow${i}`);
    look({}, 'other');
    expect(resolver.asked.at(-1)).toBe('other');
  });

  it('resolves a limited number of names over all peers (spec forwarding 2.5)', async () => {
    const { resolver, queue, look } = setUp();
    for (let i = 0; i < 40; i++) look({}, `name${i}`);
    expect([queue.running, queue.waiting]).toEqual([MAX_LOOKUPS, 40 - MAX_LOOKUPS]);
    for (let i = 0; i < 40; i++) await resolver.answer(`name${i}`, []);
    expect([queue.running, queue.waiting]).toEqual([0, 0]);
  });

  it('forgets a name that waits when it is called off', () => {
    const { queue, look } = setUp();
    const peer = {};
    for (let i = 0; i < MAX_LOOKUPS_PER_PEER; i++) look(peer, `name${i}`);
    const callOff = look(peer, 'late');
    callOff();
    callOff();
    expect(queue.waiting).toBe(0);
  });

  it('counts a resolution that was called off until it ends (spec forwarding 2.5)', async () => {
    const { resolver, queue, outcomes, look } = setUp();
    look({}, 'a')();
    expect(queue.running).toBe(1);
    await resolver.answer('a', ['192.0.2.1']);
    expect([queue.running, outcomes]).toEqual([0, []]);
  });
});
