import { MAX_PEERS } from '@underpass/protocol';
import type { Log } from '@underpass/runtime';
import { describe, expect, it } from 'vitest';
import type { EnrolOutcome, RelayEvent } from '../src/index.js';
import { Registrar } from '../src/registrar.js';

const OWN = new Uint8Array(32).fill(1);
const KEY = new Uint8Array(32).fill(2);
const ADDRESS = { address: '192.0.2.1', port: 5 };

/** A registrar of a relay in which the test decides who exists. */
function setUp({
  holder,
  isInvite = false,
  count = 0,
  enrol,
}: {
  readonly holder?: string;
  readonly isInvite?: boolean;
  readonly count?: number;
  readonly enrol?: (invite: string, publicKey: Uint8Array) => EnrolOutcome;
}) {
  const effects: string[] = [];
  const events: RelayEvent[] = [];
  const logged: object[] = [];
  const registrar = new Registrar({
    publicKey: OWN,
    everybody: {
      nameOf: (publicKey) => (publicKey === KEY ? holder : undefined),
      isInvite: (publicKey) => publicKey === KEY && isInvite,
      count: () => count,
      add: async ({ name }) => {
        await Promise.resolve();
        effects.push(`added ${name}`);
      },
    },
    emit: (event) => {
      effects.push(event.type);
      events.push(event);
    },
    relay: {
      ...(enrol && { enrol }),
      log: { error: (fields: object, text: string) => logged.push({ ...fields, text }) } as unknown as Log,
    },
  });
  const ask = (publicKey = KEY) => registrar.enrol('phone', publicKey, ADDRESS);
  return { ask, effects, events, logged };
}

const opened = (name: string, publicKey: Uint8Array): EnrolOutcome => ({
  status: 'opened',
  peer: { name, publicKey, presharedKey: new Uint8Array(32), allow: [] },
});
const answer = (status: 'invite-used' | 'invite-expired' | 'not-allowed') => (): EnrolOutcome => ({ status });

describe('a request to enrol (spec enrolment 4)', () => {
  it.each<[string, Parameters<typeof setUp>[0], EnrolOutcome['status'], readonly string[], string?]>([
    ['of a new client', { enrol: opened }, 'opened', ['added phone', 'peer-enrolled']],
    ['of the same client again', { enrol: opened, holder: 'phone' }, 'opened', ['peer-enrolled']],
    [
      'at a relay that is full',
      { enrol: opened, count: MAX_PEERS },
      'internal-error',
      [],
      `at most ${MAX_PEERS} peers`,
    ],
    [
      'of the same client at a relay that is full',
      { enrol: opened, holder: 'phone', count: MAX_PEERS },
      'opened',
      ['peer-enrolled'],
    ],
    [
      'at a relay with one place',
      { enrol: opened, count: MAX_PEERS - 1 },
      'opened',
      ['added phone', 'peer-enrolled'],
    ],
    [
      'with the key of another peer',
      { enrol: opened, holder: 'laptop' },
      'not-allowed',
      [],
      'its key belongs to somebody else',
    ],
    [
      'with the key of an invite',
      { enrol: opened, isInvite: true },
      'not-allowed',
      [],
      'its key belongs to somebody else',
    ],
    ['where nobody may', {}, 'not-allowed', [], 'the invite was revoked'],
    ['with a revoked invite', { enrol: answer('not-allowed') }, 'not-allowed', [], 'the invite was revoked'],
    [
      'with an expired invite',
      { enrol: answer('invite-expired') },
      'invite-expired',
      [],
      'the link has expired',
    ],
    ['with a link that another used', { enrol: answer('invite-used') }, 'invite-used', ['invite-reused']],
    [
      'with a link that it used itself',
      { enrol: answer('invite-used'), holder: 'phone' },
      'invite-used',
      [],
      'this client has enrolled with the link already',
    ],
  ])('%s', async (_what, parts, status, effects, advice) => {
    const { ask, effects: seen, events } = setUp(parts);
    const outcome = await ask();
    expect(outcome.status).toBe(status);
    if (outcome.status === 'opened') expect(outcome.peer).toMatchObject({ name: 'phone', publicKey: KEY });
    expect(seen).toEqual(advice === undefined ? effects : ['enrol-refused']);
    const about = { peer: 'phone', publicKey: KEY, address: ADDRESS };
    expect(events.at(-1)).toMatchObject(advice === undefined ? about : { ...about, status });
    if (advice !== undefined)
      expect(events.at(-1)).toMatchObject({ advice: expect.stringContaining(advice) });
  });

  it("with the relay's own key is refused unasked", async () => {
    const { ask, effects } = setUp({ enrol: () => expect.unreachable() });
    expect(await ask(Uint8Array.from(OWN))).toEqual({ status: 'not-allowed' });
    expect(effects).toEqual(['enrol-refused']);
  });

  it('whose result cannot be kept is refused, and logged', async () => {
    const fail = (): never => {
      throw new Error('no space left');
    };
    const { ask, effects, events, logged } = setUp({ enrol: fail });
    expect(await ask()).toEqual({ status: 'internal-error' });
    expect(effects).toEqual(['enrol-refused']);
    expect(events[0]).toMatchObject({ advice: 'this relay could not keep its key' });
    const text = 'phone cannot enrol: no space left';
    expect(logged).toEqual([{ event: 'enrol-failed', peer: 'phone', text }]);
  });
});
