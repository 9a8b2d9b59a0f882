/** A relay in a program. */
import { once } from 'node:events';
import { enrol } from '@underpass/client';
import { type InviteLink, parseInviteLink } from '@underpass/forward';
import { systemTimers } from '@underpass/runtime';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { readAll, startEcho } from '../../../../test/e2e/tcp.js';
import { decodeKey } from '../../src/key-text.js';
import { connect, generateKeyPair } from '../../src/library/index.js';
import { createRelay } from '../../src/library/relay.js';
import type { EnrolledPeer, Relay, RelayOptions } from '../../src/library/relay-api.js';
import { MAX_INVITES } from '../../src/limits.js';
import { open } from './pair.js';

async function start(options: Partial<RelayOptions> = {}): Promise<Relay> {
  const { privateKey } = generateKeyPair();
  const relay = await createRelay({ listen: '127.0.0.1:0', privateKey, peers: [], ...options });
  onTestFinished(() => relay.close());
  return relay;
}

function linkIn(text: string): InviteLink {
  const link = parseInviteLink(text);
  if (typeof link === 'string') throw new Error(link);
  return link;
}

/** Makes a relay look for idle connections all the time, and not once a minute. */
function lookForIdleConnections(): void {
  const { set } = systemTimers;
  vi.spyOn(systemTimers, 'set').mockImplementation((callback, delayMs) =>
    set(callback, delayMs === 60_000 ? 10 : delayMs),
  );
  onTestFinished(() => void vi.restoreAllMocks());
}

/** Enrols with a new key, as `underpass client LINK` does. */
async function enrolWith(link: string, keys = generateKeyPair()) {
  const publicKey = decodeKey(keys.publicKey) ?? new Uint8Array(0);
  return { keys, outcome: await enrol({ link: linkIn(link), publicKey }) };
}

describe('createRelay', () => {
  it('names the option that is invalid', async () => {
    const options = { listen: '127.0.0.1:0', privateKey: generateKeyPair().privateKey, peers: [] };
    const peer = { name: 'a', publicKey: generateKeyPair().publicKey, allow: [] };
    for (const [change, message] of [
      [{ listen: 'here' }, /^listen: 'here'/],
      [{ peers: [{ ...peer, publicKey: 'no key' }] }, /^peer a: publicKey is not a key$/],
      [{ peers: [{ ...peer, allow: ['http'] }] }, /^peer a: allow: /],
      [{ peers: [{ ...peer, allowListen: ['x y'] }] }, /^peer a: allowListen: /],
    ] as const) {
      await expect(createRelay({ ...options, ...change })).rejects.toMatchObject({
        code: 'invalid-option',
        message: expect.stringMatching(message),
      });
    }
  });

  it('resolves names as it is told, and resets connections in which nothing moves', async () => {
    lookForIdleConnections();
    const { port } = await startEcho();
    const asked: string[] = [];
    const resolve = async (name: string) => {
      asked.push(name);
      return ['127.0.0.1'];
    };
    const rules = { allow: [`db.internal:${port}`, `127.0.0.1:${port}`] };
    const { tunnel } = await open(rules, {}, { resolve, idleTimeoutMs: 50 });
    const socket = tunnel.dial(`db.internal:${port}`);
    socket.resume();
    const [error] = await once(socket, 'error');
    expect([asked, error.failure]).toEqual([['db.internal'], 'reset']);
  });
});

describe('an invite', () => {
  it('makes a peer, which the program keeps before the client is told', async () => {
    const kept: EnrolledPeer[] = [];
    const relay = await start({ onEnrol: (peer) => void kept.push(peer) });
    const { port } = await startEcho();
    const { link, expires } = relay.invite('laptop', { allow: [`127.0.0.1:${port}`] });
    expect(link.startsWith(`underpass://${relay.address}/`)).toBe(true);
    expect(expires.getTime()).toBeGreaterThan(Date.now());
    expect(() => relay.invite('laptop', { allow: [] })).toThrow('the name laptop is taken');

    const enrolled = once(relay, 'peer-enrolled');
    const { keys, outcome } = await enrolWith(link);
    expect(await enrolled).toEqual([{ peer: 'laptop' }]);
    const [peer] = kept;
    expect(peer).toMatchObject({
      name: 'laptop',
      publicKey: keys.publicKey,
      allow: [`127.0.0.1:${port}`],
    });
    const presharedKey = outcome.kind === 'enrolled' ? outcome.answer.presharedKey : new Uint8Array(0);
    expect(Buffer.from(presharedKey).toString('base64')).toBe(peer?.presharedKey);

    const access = { relay: relay.address, relayPublicKey: relay.publicKey, privateKey: keys.privateKey };
    const tunnel = await connect({ ...access, presharedKey }, { connectTimeoutMs: 0 });
    onTestFinished(() => tunnel.close());
    const socket = tunnel.dial(`127.0.0.1:${port}`, { allowHalfOpen: true });
    socket.end('hello');
    expect(String(await readAll(socket as never))).toBe('hello');

    // Its own list, with the new peer, changes nothing; and the link is used.
    relay.setPeers(kept);
    expect(relay.status().peers).toMatchObject([{ name: 'laptop', connected: true }]);
    const reused = once(relay, 'invite-reused');
    expect((await enrolWith(link)).outcome).toEqual({ kind: 'refused', status: 'invite-used' });
    expect(await reused).toEqual([{ peer: 'laptop' }]);
    expect(() => relay.invite('laptop', { allow: [] })).toThrow('the name laptop is taken');
  });

  it('stays good if the peer cannot be kept, and gives the same answer to the same key', async () => {
    let isDiskFull = true;
    const relay = await start({
      onEnrol: () => {
        if (isDiskFull) throw new Error('no space');
      },
    });
    const { link } = relay.invite('laptop', { allow: ['localhost:80'] });
    const { keys, outcome } = await enrolWith(link);
    expect(outcome).toEqual({ kind: 'refused', status: 'internal-error' });
    expect(relay.status().peers).toEqual([]);
    isDiskFull = false;
    const first = (await enrolWith(link, keys)).outcome;
    expect(first.kind).toBe('enrolled');
    expect((await enrolWith(link, keys)).outcome).toEqual(first);
  });

  it('ends when it is revoked', async () => {
    const relay = await start({ onEnrol: () => undefined });
    const invite = relay.invite('laptop', { allow: [] });
    const { link } = relay.invite('phone', { allow: [] });
    invite.revoke();
    relay.invite('laptop', { allow: [] }).revoke();
    expect((await enrolWith(link)).outcome.kind).toBe('enrolled');
    invite.revoke(); // changes nothing
    expect(relay.status().peers).toMatchObject([{ name: 'phone' }]);
  });

  it('is refused with what is wrong', async () => {
    const bare = await start();
    expect(() => bare.invite('laptop', { allow: [] })).toThrow('this relay cannot keep a peer that enrols');
    const relay = await start({ listen: '0', onEnrol: () => undefined });
    for (const [name, options, message] of [
      ['../x', {}, "'../x' cannot be a peer's name"],
      ['x', { expiresInMs: 1 }, 'expiresInMs: 1 is not possible'],
      ['x', { allow: ['http'] }, 'invite x: allow: '],
      ['x', {}, 'a relay that listens on every interface cannot tell where clients reach it'],
      ['x', { endpoint: 'vpn' }, "endpoint: 'vpn' is not a host and a port"],
    ] as const) {
      expect(() => relay.invite(name, { allow: [], ...options })).toThrow(message);
    }
    const endpoint = 'vpn.example.org:51820';
    for (let i = 0; i < MAX_INVITES; i++) relay.invite(`peer-${i}`, { allow: [], endpoint });
    expect(() => relay.invite('one-more', { allow: [], endpoint })).toThrow('at most 256 invites');
  });
});
