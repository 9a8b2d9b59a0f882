/** A client that enrols at a relay, both in this process. */
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { enrol } from '@underpass/client';
import { type InviteLink, oneTimeKeys } from '@underpass/forward';
import type { EnrolOutcome } from '@underpass/relay';
import { systemTimers, type Timers } from '@underpass/runtime';
import { describe, expect, it, onTestFinished } from 'vitest';
import { publicKeyOf } from '../../src/public-key.js';
import { at, newKeys, type RunningRelay, runClient, runRelay } from './in-process.js';

const relayKeys = newKeys();

/** @returns the link of a new invite, and the invite as the relay knows it */
function newInvite(endpoint: InviteLink['endpoint'] = { host: '127.0.0.1', port: 9 }) {
  const link: InviteLink = { endpoint, relayPublicKey: relayKeys.publicKey, secret: randomBytes(32) };
  const { privateKey, presharedKey } = oneTimeKeys(link.secret, relayKeys.publicKey);
  return { link, invite: { name: 'laptop', publicKey: publicKeyOf(privateKey), presharedKey } };
}

/** Runs a relay that decides about its only invite in that way. */
async function runInviting(decide: (publicKey: Uint8Array) => EnrolOutcome) {
  const { link, invite } = newInvite();
  const relay = await runRelay({
    privateKey: relayKeys.privateKey,
    peers: [],
    invites: [invite],
    enrol: (_name, publicKey) => decide(publicKey),
    name: () => 'vps',
  });
  return { relay, link: { ...link, endpoint: at(relay) } };
}

const opened = (publicKey: Uint8Array, presharedKey: Uint8Array): EnrolOutcome => ({
  status: 'opened',
  peer: { name: 'laptop', publicKey, presharedKey: Uint8Array.from(presharedKey), allow: [] },
});

/** How long an attempt waits for the relay. Everything else is shorter. */
const LONGEST_WAIT_MS = 15_000;
/** Timers whose delays are divided, so that limits of seconds are reached at once. */
const hasty: Timers = {
  ...systemTimers,
  set: (callback, delayMs) => systemTimers.set(callback, delayMs / 100),
};

async function portWithoutListener(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return port;
}

describe('enrolling', () => {
  it('gives the client a preshared key, with which it can connect', async () => {
    const presharedKey = randomBytes(32);
    const { relay, link } = await runInviting((publicKey) => opened(publicKey, presharedKey));
    const own = newKeys();
    const outcome = await enrol({ link, publicKey: own.publicKey });
    expect(outcome).toEqual({
      kind: 'enrolled',
      answer: { presharedKey: Uint8Array.from(presharedKey), peerName: 'laptop', relayName: 'vps' },
    });
    await relay.heard.next('peer-enrolled');
    const { client } = await runClient([], {
      privateKey: own.privateKey,
      presharedKey,
      relay: at(relay),
      relayPublicKey: relayKeys.publicKey,
    });
    client.connect();
    await client.connected();
  });

  it.each(['invite-used', 'invite-expired', 'not-allowed', 'internal-error'] as const)(
    'says why the relay refused: %s',
    async (status) => {
      const { link } = await runInviting(() => ({ status }));
      const outcome = await enrol({ link, publicKey: newKeys().publicKey });
      expect(outcome).toEqual({ kind: 'refused', status });
    },
  );

  it('says that the invite was revoked meanwhile', async () => {
    const running: { relay?: RunningRelay } = {};
    const { relay, link } = await runInviting(() => {
      running.relay?.relay.setPeers([], []);
      return { status: 'not-allowed' };
    });
    running.relay = relay;
    expect(await enrol({ link, publicKey: newKeys().publicKey })).toEqual({
      kind: 'ended',
      cause: 'removed',
    });
  });

  it('asks again when the relay restarts before it has answered', async () => {
    const presharedKey = randomBytes(32);
    const { link, invite } = newInvite();
    const start = (port: number, decide: (publicKey: Uint8Array) => EnrolOutcome) =>
      runRelay({
        privateKey: relayKeys.privateKey,
        listen: { host: '127.0.0.1', port },
        peers: [],
        invites: [invite],
        enrol: (_name, publicKey) => decide(publicKey),
      });
    let stop = (): void => {};
    const asked = new Promise<void>((resolve) => {
      stop = resolve;
    });
    const first = await start(0, () => {
      stop();
      throw new Error('killed');
    });
    const { port } = first.relay.address;
    void asked.then(async () => {
      await first.relay.close();
      await start(port, (publicKey) => opened(publicKey, presharedKey));
    });
    const outcome = await enrol({ link: { ...link, endpoint: at(first) }, publicKey: newKeys().publicKey });
    // The answer 'internal-error' may have arrived before the relay closed.
    expect(['enrolled', 'refused']).toContain(outcome.kind);
  });

  it('gives up when nothing answers, with the cause if there is one', async () => {
    const port = await portWithoutListener();
    const { link } = newInvite({ host: '127.0.0.1', port });
    // The time is up when the cause is known, however long the system takes to tell it.
    let giveUp = (): void => undefined;
    const limit = {};
    const outcome = await enrol({
      link,
      publicKey: newKeys().publicKey,
      timers: {
        set: (callback, delayMs) => {
          if (delayMs < LONGEST_WAIT_MS) return hasty.set(callback, delayMs);
          giveUp = callback;
          return limit;
        },
        clear: (timer) => {
          if (timer !== limit) hasty.clear(timer);
        },
      },
      onEvent: ({ type }) => {
        if (type === 'contact-problem') giveUp();
      },
    });
    expect(outcome).toMatchObject({
      kind: 'no-answer',
      wasReached: false,
      problem: { kind: 'not-listening', host: '127.0.0.1', port },
    });
  });

  it('gives up at a relay that does not know the link', async () => {
    const { link } = await runInviting(() => ({ status: 'not-allowed' }));
    const other = { ...link, secret: randomBytes(32) };
    const outcome = await enrol({ link: other, publicKey: newKeys().publicKey, timers: hasty });
    expect(outcome).toEqual({ kind: 'no-answer', wasReached: false, problem: undefined });
  });

  it('gives up when the name of the relay does not resolve', async () => {
    const socket = createSocket('udp4');
    onTestFinished(() => void socket.close());
    const { link } = newInvite({ host: 'relay.invalid', port: 9 });
    const outcome = await enrol({
      link,
      publicKey: newKeys().publicKey,
      timers: hasty,
      lookUp: async () => {
        throw Object.assign(new Error('no'), { code: 'ENOTFOUND' });
      },
    });
    expect(outcome).toMatchObject({
      kind: 'no-answer',
      problem: { kind: 'unresolved', host: 'relay.invalid' },
    });
  });
});
