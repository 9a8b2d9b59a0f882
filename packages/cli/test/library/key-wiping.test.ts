/** Checks that no copy of a secret stays in memory when the library is done with it. The tests record the copies where
 *  they are made and used, because nothing else sees them. */
import type { ClientOptions, Enrolment, EnrolOptions } from '@underpass/client';
import { formatInviteLink } from '@underpass/forward';
import type { RelayOptions } from '@underpass/relay';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { connect } from '../../src/library/connect.js';
import { enrol } from '../../src/library/enrol.js';
import { generateKeyPair } from '../../src/library/keys.js';
import { createRelay } from '../../src/library/relay.js';

const stage = vi.hoisted(() => ({
  /** Every secret that the library held. */
  held: [] as Uint8Array[],
  enrol: (_options: EnrolOptions): Promise<Enrolment> => Promise.reject(new Error('not set')),
}));

vi.mock('@underpass/client', async (importOriginal) => ({
  ...(await importOriginal<object>()),
  enrol: (options: EnrolOptions) => {
    stage.held.push(options.link.secret);
    return stage.enrol(options);
  },
  startClient: ({ privateKey, presharedKey }: ClientOptions) => {
    stage.held.push(privateKey, ...(presharedKey ? [presharedKey] : []));
    return Promise.reject(new Error('the port is taken'));
  },
}));
vi.mock('@underpass/relay', async (importOriginal) => ({
  ...(await importOriginal<object>()),
  startRelay: ({ privateKey }: RelayOptions) => {
    stage.held.push(privateKey);
    return Promise.reject(new Error('the port is taken'));
  },
}));
vi.mock('../../src/library/keys.js', async (importOriginal) => {
  const keys = await importOriginal<typeof import('../../src/library/keys.js')>();
  return {
    ...keys,
    keyIn: (...parameters: Parameters<typeof keys.keyIn>) => {
      const key = keys.keyIn(...parameters);
      if (!/publicKey$/i.test(parameters[1])) stage.held.push(key);
      return key;
    },
  };
});
vi.mock('../../src/public-key.js', async (importOriginal) => {
  const module = await importOriginal<typeof import('../../src/public-key.js')>();
  return {
    ...module,
    publicKeyOf: (privateKey: Uint8Array) => {
      stage.held.push(privateKey);
      return module.publicKeyOf(privateKey);
    },
  };
});

beforeEach(() => void stage.held.splice(0));

/** @param least  how many secrets must have been seen */
function expectAllWiped(least: number): void {
  expect(new Set(stage.held).size).toBeGreaterThanOrEqual(least);
  for (const secret of stage.held) expect(secret.every((byte) => byte === 0)).toBe(true);
}

const link = formatInviteLink({
  endpoint: { host: 'relay.example', port: 51_820 },
  relayPublicKey: new Uint8Array(32).fill(1),
  secret: new Uint8Array(32).fill(2),
});
const { privateKey } = generateKeyPair();
const relayPublicKey = generateKeyPair().publicKey;

describe('enrol leaves no key and no link in memory', () => {
  it.each<[string, () => Promise<Enrolment>, object]>([
    [
      'after it has enrolled',
      async () => {
        const presharedKey = new Uint8Array(32).fill(3);
        stage.held.push(presharedKey);
        return { kind: 'enrolled', answer: { presharedKey, peerName: 'program', relayName: 'home' } };
      },
      {
        peerName: 'program',
        relayName: 'home',
        privateKey,
        presharedKey: Buffer.alloc(32, 3).toString('base64'),
      },
    ],
    ['when it is refused', async () => ({ kind: 'refused', status: 'invite-used' }), { code: 'invite-used' }],
    [
      'when there is no answer',
      async () => ({ kind: 'no-answer', wasReached: false, problem: undefined }),
      {},
    ],
    ['when it fails', () => Promise.reject(new Error('no socket')), { message: 'no socket' }],
  ])('%s', async (_when, outcome, expected) => {
    stage.enrol = outcome;
    expect(await enrol(link, { privateKey }).catch((error: unknown) => error)).toMatchObject(expected);
    expectAllWiped(2);
  });

  it('when the signal aborts meanwhile', async () => {
    const abort = new AbortController();
    stage.enrol = async () => {
      abort.abort();
      return { kind: 'no-answer', wasReached: false, problem: undefined };
    };
    await expect(enrol(link, { privateKey, signal: abort.signal })).rejects.toMatchObject({
      name: 'AbortError',
    });
    expectAllWiped(2);
  });
});

describe('connect leaves no key in memory', () => {
  const access = { relay: '127.0.0.1:9', relayPublicKey, privateKey };
  it.each<[string, object, string, number]>([
    ['when its client cannot start', { presharedKey: privateKey }, 'the port is taken', 2],
    ['when the preshared key is none', { presharedKey: 'hunter2' }, 'presharedKey is not a key', 1],
    [
      "when the relay's key is its own",
      { relayPublicKey: generateKeyPair().publicKey, own: true },
      'own key',
      1,
    ],
  ])('%s', async (_when, more, message, least) => {
    const pair = generateKeyPair();
    stage.held.length = 0;
    const own = 'own' in more ? { privateKey: pair.privateKey, relayPublicKey: pair.publicKey } : {};
    await expect(connect({ ...access, ...more, ...own })).rejects.toThrow(message);
    expectAllWiped(least);
  });

  it('and does nothing at all when its signal was aborted before', async () => {
    const reason = new Error('enough');
    await expect(connect(access, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    await expect(connect('no relay of that name', { signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    );
    await expect(enrol(link, { privateKey, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const options = { listen: '127.0.0.1:0', privateKey, peers: [] };
    await expect(createRelay({ ...options, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(stage.held).toEqual([]);
  });
});

it('a relay that cannot start leaves no key in memory', async () => {
  const peers = [{ name: 'phone', publicKey: relayPublicKey, presharedKey: privateKey, allow: [] }];
  await expect(createRelay({ listen: '127.0.0.1:0', privateKey, peers })).rejects.toThrow('is taken');
  expectAllWiped(2);
});

it('a drawn private key stays only in the text that is returned', () => {
  const pair = generateKeyPair();
  expect(Buffer.from(pair.privateKey, 'base64').length).toBe(32);
  expectAllWiped(1);
});
