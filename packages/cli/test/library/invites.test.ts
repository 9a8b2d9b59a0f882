/** The invites of a relay in a program, from the link to the end (spec enrolment 4). */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { oneTimeKeys, parseInviteLink } from '@underpass/forward';
import { canSearchMemory, copiesInMemory, keyToLookFor, moveYoungObjects } from '@underpass/testkit/crypto';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type EnrolledPeer, Invites } from '../../src/library/invites.js';
import { INVITE_GRACE_MS } from '../../src/limits.js';
import { publicKeyOf } from '../../src/public-key.js';
import { publicKey, rules } from '../store/invites.js';

const RELAY = { endpoint: { host: 'relay.example', port: 51_820 }, publicKey: publicKey(1) };
const RULES = { allow: rules('localhost:80'), allowListen: [] };
const EXPIRES_AT_MS = 1_000_000;

function setUp() {
  const clock = { nowMs: 0 };
  const kept: EnrolledPeer[] = [];
  const onEnrol = vi.fn((peer: EnrolledPeer) => void kept.push(peer));
  const invites = new Invites(onEnrol, () => clock.nowMs);
  const add = (name: string) => invites.add(name, RULES, EXPIRES_AT_MS, RELAY);
  const passTo = (nowMs: number) => {
    clock.nowMs = nowMs;
  };
  return { invites, clock, kept, onEnrol, add, passTo };
}

type Setting = ReturnType<typeof setUp>;

const isWiped = (key: Uint8Array | undefined) => key?.every((byte) => byte === 0);
const [OWN, OTHER] = [publicKey(2), publicKey(3)];

describe('the link of an invite', () => {
  it('leads to the relay, which knows the keys in it and nothing of the secret', () => {
    const { invites, add } = setUp();
    const link = parseInviteLink(add('laptop').link);
    if (typeof link === 'string') throw new Error(link);
    expect(link).toMatchObject({ endpoint: RELAY.endpoint, relayPublicKey: RELAY.publicKey });
    const { privateKey, presharedKey } = oneTimeKeys(link.secret, RELAY.publicKey);
    expect(invites.forRelay()).toMatchObject([
      { name: 'laptop', publicKey: publicKeyOf(privateKey), presharedKey },
    ]);
    expect(add('phone').link).not.toBe(add('desk').link);
  });
});

describe('an invite', () => {
  it('is open until it expires, and counts for a while longer so that its holder learns that', () => {
    const { invites, clock, add } = setUp();
    add('laptop');
    const [{ presharedKey } = {}] = invites.forRelay();
    const state = (nowMs: number) => {
      clock.nowMs = nowMs;
      return [invites.isOpen('laptop'), invites.enrol('laptop', OWN).status, invites.size];
    };
    expect(invites.isOpen('phone')).toBe(false);
    expect([invites.isOpen('laptop'), invites.size]).toEqual([true, 1]);
    expect(state(EXPIRES_AT_MS)).toEqual([false, 'invite-expired', 1]);
    expect(state(EXPIRES_AT_MS + INVITE_GRACE_MS - 1)).toEqual([false, 'invite-expired', 1]);
    expect(isWiped(presharedKey)).toBe(false);
    clock.nowMs++;
    expect(invites.forRelay()).toEqual([]);
    expect(state(clock.nowMs)).toEqual([false, 'not-allowed', 0]);
    expect(isWiped(presharedKey)).toBe(true);
    add('phone');
    expect(invites.size).toBe(0);
  });

  it('is good until the last moment', () => {
    const { invites, clock, add } = setUp();
    add('laptop');
    clock.nowMs = EXPIRES_AT_MS - 1;
    expect(invites.isOpen('laptop')).toBe(true);
    expect(invites.enrol('laptop', OWN).status).toBe('opened');
  });

  it('makes one peer, which is kept before the answer', () => {
    const { invites, kept, onEnrol, add } = setUp();
    add('laptop');
    onEnrol.mockImplementationOnce(() => {
      throw new Error('no space');
    });
    expect(() => invites.enrol('laptop', OWN)).toThrow('no space');
    expect(invites.isOpen('laptop')).toBe(true);
    const outcome = invites.enrol('laptop', OTHER);
    expect(outcome).toMatchObject({ status: 'opened', peer: { name: 'laptop', publicKey: OTHER, ...RULES } });
    expect(kept).toMatchObject([{ name: 'laptop', publicKey: OTHER }]);
    expect(invites.isOpen('laptop')).toBe(false);
    expect(invites.enrol('laptop', OWN)).toEqual({ status: 'invite-used' });
  });

  it('gives the same answer to the same key, until the client has connected or the invite expires', () => {
    const enrolled = () => {
      const { add, ...parts } = setUp();
      add('laptop');
      const key = OWN.slice();
      const first = parts.invites.enrol('laptop', key);
      if (first.status !== 'opened') throw new Error(first.status);
      key.fill(0); // the caller's
      const { presharedKey } = first.peer;
      const copy = presharedKey?.slice();
      presharedKey?.fill(0); // the relay wipes what it gets
      return { ...parts, copy };
    };
    const same = enrolled();
    expect(same.invites.enrol('laptop', OWN)).toMatchObject({
      status: 'opened',
      peer: { publicKey: OWN, presharedKey: same.copy },
    });
    expect(same.onEnrol).toHaveBeenCalledTimes(1);
    same.invites.onConnected('phone');
    expect(same.invites.enrol('laptop', OWN).status).toBe('opened');
    same.invites.onConnected('laptop');
    expect(same.invites.enrol('laptop', OWN).status).toBe('invite-used');
    const late = enrolled();
    late.clock.nowMs = EXPIRES_AT_MS - 1;
    expect(late.invites.enrol('laptop', OWN).status).toBe('opened');
    late.clock.nowMs++;
    expect(late.invites.enrol('laptop', OWN).status).toBe('invite-used');
  });

  it('draws another key for each peer', () => {
    const { invites, kept, add } = setUp();
    for (const name of ['laptop', 'phone']) {
      add(name);
      invites.enrol(name, OWN);
    }
    const [one, two] = kept.map(({ presharedKey }) => presharedKey);
    expect(one).not.toEqual(two);
    expect([one?.length, isWiped(one), isWiped(two)]).toEqual([32, false, false]);
  });

  it('that is over is replaced by another of the same name, and its keys are wiped', () => {
    const { invites, kept, add } = setUp();
    add('laptop');
    const [{ presharedKey } = {}] = invites.forRelay();
    invites.enrol('laptop', OWN);
    add('laptop');
    expect([isWiped(presharedKey), isWiped(invites.forRelay()[0]?.presharedKey)]).toEqual([true, false]);
    expect([invites.size, invites.isOpen('laptop')]).toEqual([1, true]);
    expect(isWiped(kept[0]?.presharedKey)).toBe(false); // the program's own copy
    expect(invites.enrol('laptop', OTHER).status).toBe('opened');
  });
});

describe('the secrets of an invite', () => {
  /** Records what is drawn and derived from now on. */
  function record() {
    const { randomBytes, hkdfSync } = crypto;
    const [drawn, derived]: Uint8Array[][] = [[], []];
    vi.spyOn(crypto, 'randomBytes').mockImplementation(((length: number) => {
      const bytes = randomBytes(length);
      drawn?.push(bytes);
      return bytes;
    }) as never);
    vi.spyOn(crypto, 'hkdfSync').mockImplementation(((...parameters: Parameters<typeof hkdfSync>) => {
      const bytes = hkdfSync(...parameters);
      derived?.push(new Uint8Array(bytes));
      return bytes;
    }) as never);
    syncBuiltinESMExports();
    onTestFinished(() => {
      vi.restoreAllMocks();
      syncBuiltinESMExports();
    });
    return { drawn: drawn ?? [], derived: derived ?? [] };
  }

  it('are wiped: that of the link and its private key at once, the others with the invite', () => {
    const { invites, clock, kept, add } = setUp();
    const { drawn, derived } = record();
    add('laptop');
    const [privateKey, presharedKey] = derived;
    expect([drawn.map(isWiped), isWiped(privateKey), isWiped(presharedKey)]).toEqual([[true], true, false]);
    invites.enrol('laptop', OWN);
    expect(drawn.map(isWiped)).toEqual([true, true]);
    clock.nowMs = EXPIRES_AT_MS + INVITE_GRACE_MS;
    expect(invites.size).toBe(0);
    expect(isWiped(presharedKey)).toBe(true);
    expect(isWiped(kept[0]?.presharedKey)).toBe(false); // the program's own copy
  });
});

describe('to revoke an invite', () => {
  it('ends it while it is open, and wipes its key', () => {
    const { invites, add } = setUp();
    const { revoke } = add('laptop');
    const [{ presharedKey } = {}] = invites.forRelay();
    expect([revoke(), revoke()]).toEqual([true, false]);
    expect([invites.size, invites.enrol('laptop', OWN).status, isWiped(presharedKey)]).toEqual([
      0,
      'not-allowed',
      true,
    ]);
  });

  it('changes nothing when a client has enrolled, or it has expired', () => {
    const { invites, clock, add } = setUp();
    const [used, expired] = [add('laptop'), add('phone')];
    invites.enrol('laptop', OWN);
    expect(used.revoke()).toBe(false);
    clock.nowMs = EXPIRES_AT_MS;
    expect(expired.revoke()).toBe(false);
    expect(invites.size).toBe(2);
  });

  it('leaves a later invite of the same name alone', () => {
    const { invites, add } = setUp();
    const first = add('laptop');
    first.revoke();
    const second = add('laptop');
    expect([first.revoke(), invites.isOpen('laptop')]).toEqual([false, true]);
    expect([second.revoke(), invites.isOpen('laptop')]).toEqual([true, false]);
  });
});

it.skipIf(!canSearchMemory).each([
  ['expires', ({ passTo, invites }: Setting) => [passTo(EXPIRES_AT_MS + INVITE_GRACE_MS), invites.size]],
  ['is replaced', ({ add }: Setting) => add('laptop')],
])('no copy of the key of a client that enrolled is left when the invite %s', (_, end) => {
  const setting = setUp();
  const { invites, kept, add } = setting;
  add('laptop');
  const outcome = invites.enrol('laptop', OWN);
  if (outcome.status !== 'opened') throw new Error(outcome.status);
  const key = keyToLookFor(outcome.peer.presharedKey as Uint8Array);
  moveYoungObjects();
  for (const { presharedKey } of [outcome.peer, ...kept]) presharedKey?.fill(0);
  expect(copiesInMemory(key)).toBeGreaterThan(0);
  end(setting);
  expect(copiesInMemory(key)).toBe(0);
});
