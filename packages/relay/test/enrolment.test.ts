import { randomBytes } from 'node:crypto';
import { decodeEnrolAnswer, encodeRequest, oneTimeKeys } from '@underpass/forward';
import { ConnectionErrorCode, type Endpoint, type Peer, type Stream } from '@underpass/protocol';
import { chooseSuite, type StreamHandler, silentLog, systemTimers } from '@underpass/runtime';
import { describe, expect, it } from 'vitest';
import { Invitations, MAX_ENROL_REQUESTS } from '../src/enrolment.js';
import type { EnrolOutcome, RelayOptions, RelayPeerOptions } from '../src/index.js';
import { type Answer, BareClient, type Keys, newKeys, rules, runRelay } from './bare-client.js';

const suite = await chooseSuite();

/** An invite, and the keys of its link. */
function newInvite(name = 'laptop') {
  const { privateKey, presharedKey } = oneTimeKeys(randomBytes(32), randomBytes(32));
  const publicKey = suite.x25519PublicKey(privateKey);
  return { invite: { name, publicKey, presharedKey }, keys: { privateKey, publicKey } };
}

type Enrolled = RelayPeerOptions & { readonly presharedKey: Uint8Array };

/** Lets the first key enrol, in memory, as a store on disk would. */
function inMemory(allow: readonly string[] = []) {
  const kept = new Map<string, Enrolled>();
  const enrol = (name: string, publicKey: Uint8Array): EnrolOutcome => {
    const known = kept.get(name);
    if (known !== undefined && String(known.publicKey) !== String(publicKey))
      return { status: 'invite-used' };
    const peer = known ?? { name, publicKey, presharedKey: randomBytes(32), allow: rules(...allow) };
    kept.set(name, peer);
    return { status: 'opened', peer: { ...peer, presharedKey: Uint8Array.from(peer.presharedKey) } };
  };
  return { kept, enrol };
}

async function runInviting(more: Partial<RelayOptions> = {}, peers: readonly RelayPeerOptions[] = []) {
  const { invite, keys } = newInvite();
  const relay = await runRelay(peers, { invites: [invite], ...more });
  const holder = await BareClient.connect(relay, keys, invite.presharedKey);
  return { relay, invite, keys, holder };
}

async function enrol(holder: BareClient, { publicKey }: Pick<Keys, 'publicKey'>): Promise<Answer> {
  const answer = holder.request({ kind: 'enrol', publicKey });
  await answer.until(({ isOver }) => isOver);
  return answer;
}

it('wipes the preshared key of a new peer when the answer is written', async () => {
  const presharedKey = Uint8Array.from(randomBytes(32));
  const drawn = presharedKey.slice();
  const { holder } = await runInviting({
    enrol: (name, publicKey) => ({ status: 'opened', peer: { name, publicKey, presharedKey, allow: [] } }),
  });
  const answer = await enrol(holder, newKeys());
  expect(decodeEnrolAnswer(answer.bytes())?.presharedKey).toEqual(drawn);
  expect(presharedKey.every((byte) => byte === 0)).toBe(true);
});

describe('a stream of a client with a link', () => {
  /** Invitations on an endpoint and a stream that the test plays. */
  function setUp() {
    const { invite } = newInvite();
    const { publicKey } = newKeys();
    const peer = { publicKey: invite.publicKey, stats: () => ({}) } as unknown as Peer;
    const done: string[] = [];
    const arrived: Uint8Array[] = [];
    const attached: StreamHandler[] = [];
    const stream = {
      readInto: (target: Uint8Array) => {
        const bytes = arrived.shift();
        target.set(bytes ?? []);
        return bytes?.length ?? 0;
      },
      read: () => arrived.shift(),
      write: ({ length }: Uint8Array) => done.push('write') && length,
      finish: () => done.push('finish'),
    } as unknown as Stream;
    const enrolled: Enrolled = { name: 'laptop', publicKey, presharedKey: new Uint8Array(32), allow: [] };
    const invitations = new Invitations({
      endpoint: { addPeer: () => peer } as unknown as Endpoint,
      tunnel: { attach: (_stream, handler) => attached.push(handler), wake: () => done.push('wake') },
      timers: systemTimers,
      now: () => 0,
      enrol: () => Promise.resolve({ status: 'opened', peer: enrolled }),
      name: undefined,
    });
    invitations.set([invite]);
    const request = encodeRequest({ kind: 'enrol', publicKey });
    return { invitations, peer, stream, request, arrived, attached, done };
  }

  it('has its answer sent at once, although that is ready only after the turn of the request', async () => {
    const { invitations, peer, stream, request, arrived, done } = setUp();
    arrived.push(request, new Uint8Array(3), new Uint8Array(3));
    expect(invitations.accept(peer, stream)).toBe(true);
    expect(done).toEqual([]);
    await new Promise(setImmediate);
    expect(done).toEqual(['write', 'write', 'finish', 'wake']);
    expect(arrived).toEqual([]); // else the stream would never end
  });

  it('may bring its request in pieces', async () => {
    const { invitations, peer, stream, request, arrived, attached, done } = setUp();
    arrived.push(request.slice(0, 5));
    invitations.accept(peer, stream);
    await new Promise(setImmediate);
    expect(done).toEqual([]);
    arrived.push(request.slice(5));
    attached[0]?.onReadable?.();
    await new Promise(setImmediate);
    expect(done.at(-1)).toBe('wake');
  });

  it('is not accepted from a peer that only had the key before: its invite was replaced', () => {
    const { invitations, peer, stream } = setUp();
    expect(invitations.accept({ ...peer } as Peer, stream)).toBe(false);
    expect(invitations.accept({ ...peer, publicKey: newKeys().publicKey } as Peer, stream)).toBe(false);
  });
});

describe('a client with a link', () => {
  it('enrols with its own key, and is a peer with its rules from then on', async () => {
    const { kept, enrol: keep } = inMemory(['127.0.0.1:1']);
    const { relay, holder, keys } = await runInviting({ enrol: keep, name: () => 'vps' });
    const own = newKeys();
    const answer = await enrol(holder, own);
    expect(answer.status()).toBe('opened');
    const presharedKey = kept.get('laptop')?.presharedKey as Uint8Array;
    expect(decodeEnrolAnswer(answer.bytes())).toEqual({
      presharedKey: Uint8Array.from(presharedKey),
      peerName: 'laptop',
      relayName: 'vps',
    });
    expect(await relay.next('peer-enrolled')).toMatchObject({ peer: 'laptop', publicKey: own.publicKey });
    const client = await BareClient.connect(relay, own, presharedKey);
    await client.until(({ isConnected }) => isConnected);
    expect(relay.relay.status().peers).toMatchObject([{ name: 'laptop', allow: ['127.0.0.1:1'] }]);
    expect(keys.publicKey).not.toEqual(own.publicKey);
  });

  it('can do nothing else (spec enrolment 3.3: "MUST answer any other request")', async () => {
    const { relay, holder } = await runInviting(inMemory(['*:*']));
    const answer = holder.ask('192.0.43.8', 443);
    await answer.until(({ isOver }) => isOver);
    expect(answer.status()).toBe('not-allowed');
    expect(relay.relay.status().peers).toEqual([]);
    expect(relay.events).toEqual([]);
  });

  it('may ask again with the same key, and gets the same answer', async () => {
    const { holder } = await runInviting(inMemory());
    const own = newKeys();
    const [first, second] = [await enrol(holder, own), await enrol(holder, own)];
    expect([first.status(), second.status()]).toEqual(['opened', 'opened']);
    expect(second.bytes()).toEqual(first.bytes());
  });

  it('is refused when another client has used the link, which is reported (spec enrolment 4.4: "MUST answer any other key")', async () => {
    const { relay, holder } = await runInviting(inMemory());
    await enrol(holder, newKeys());
    const other = newKeys();
    expect((await enrol(holder, other)).status()).toBe('invite-used');
    expect(await relay.next('invite-reused')).toMatchObject({ peer: 'laptop', publicKey: other.publicKey });
    expect(relay.relay.status().peers).toHaveLength(1);
  });

  it.each(['invite-expired', 'not-allowed', 'invite-used'] as const)(
    'learns why it is refused: %s',
    async (status) => {
      const { relay, holder } = await runInviting({ enrol: () => ({ status }) });
      expect((await enrol(holder, newKeys())).status()).toBe(status);
      const type = status === 'invite-used' ? 'invite-reused' : 'enrol-refused';
      expect(await relay.next(type)).toMatchObject({ peer: 'laptop' });
    },
  );

  it('has not enrolled if that could not be kept (spec enrolment 4.2: "MUST answer internal error")', async () => {
    const lines: unknown[] = [];
    const fails = () => {
      throw new Error('no space left');
    };
    const log = { ...silentLog, error: (fields: object) => void lines.push(fields) };
    const { relay, holder } = await runInviting({ enrol: fails, log });
    expect((await enrol(holder, newKeys())).status()).toBe('internal-error');
    expect(lines).toEqual([{ event: 'enrol-failed', peer: 'laptop' }]);
    expect(relay.relay.status().peers).toEqual([]);
  });

  it('is refused by a relay that keeps no peers', async () => {
    const { holder } = await runInviting();
    expect((await enrol(holder, newKeys())).status()).toBe('not-allowed');
  });

  it('cannot enrol a key that belongs to somebody else (spec enrolment 4.6: "MUST refuse a public key")', async () => {
    const other = newKeys();
    const { relay, holder, keys } = await runInviting(inMemory(), [
      { name: 'other', publicKey: other.publicKey, allow: [] },
    ]);
    for (const taken of [other, keys, relay]) {
      expect((await enrol(holder, taken)).status()).toBe('not-allowed');
    }
    expect(relay.relay.status().peers).toHaveLength(1);
  });

  it('may ask only a few times in one connection (spec enrolment 4.7: "MUST answer at most 8 requests")', async () => {
    expect(MAX_ENROL_REQUESTS).toBe(8);
    const { holder, relay, keys, invite } = await runInviting(inMemory());
    const own = newKeys();
    for (let count = 0; count < MAX_ENROL_REQUESTS; count++) {
      expect((await enrol(holder, own)).status()).toBe('opened');
    }
    expect((await enrol(holder, own)).status()).toBe('too-many-streams');
    const again = await BareClient.connect(relay, keys, invite.presharedKey);
    expect((await enrol(again, own)).status()).toBe('opened');
  });

  it('is told when the invite is revoked', async () => {
    const { relay, holder } = await runInviting(inMemory());
    await enrol(holder, newKeys());
    relay.relay.setPeers([], []);
    await holder.until(({ disconnects }) => disconnects.length > 0);
    expect(holder.disconnects).toEqual(['the invite was revoked, or has expired']);
    expect(ConnectionErrorCode.removed).toBe(0x0e);
  });

  it('keeps its connection through a reload that keeps the invite', async () => {
    const { relay, holder, invite } = await runInviting(inMemory());
    await holder.until(({ isConnected }) => isConnected);
    relay.relay.setPeers([], [invite]);
    expect((await enrol(holder, newKeys())).status()).toBe('opened');
    expect(holder.disconnects).toEqual([]);
  });

  it('loses its connection through a reload that gives the invite another preshared key', async () => {
    const { relay, holder, invite } = await runInviting(inMemory());
    await holder.until(({ isConnected }) => isConnected);
    relay.relay.setPeers([], [{ ...invite, presharedKey: new Uint8Array(32).fill(1) }]);
    await holder.until(({ disconnects }) => disconnects.length > 0);
  });

  it('enrols under the new name after a reload that renames the invite', async () => {
    const { relay, holder, keys, invite } = await runInviting(inMemory());
    await holder.until(({ isConnected }) => isConnected);
    relay.relay.setPeers([], [{ ...invite, name: 'desk' }]);
    await holder.until(({ disconnects }) => disconnects.length > 0);
    const again = await BareClient.connect(relay, keys, invite.presharedKey);
    expect(decodeEnrolAnswer((await enrol(again, newKeys())).bytes())?.peerName).toBe('desk');
  });
});

describe('the lists of peers and invites', () => {
  it('must not share a key', async () => {
    const { invite } = newInvite();
    const peer = { name: 'a', publicKey: invite.publicKey, allow: [] };
    await expect(runRelay([peer], { invites: [invite] })).rejects.toThrow(
      'the invite laptop has the same public key as a',
    );
  });
});
