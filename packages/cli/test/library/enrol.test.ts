/** A program that enrols with a link. */
import { inspect } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readAll, startEcho } from '../../../../test/e2e/tcp.js';
import { connect, enrol, generateKeyPair } from '../../src/library/index.js';
import { createRelay } from '../../src/library/relay.js';
import type { EnrolledPeer } from '../../src/library/relay-api.js';

/** A relay in this process that makes links. */
async function start() {
  const peers: EnrolledPeer[] = [];
  const relay = await createRelay({
    listen: '127.0.0.1:0',
    privateKey: generateKeyPair().privateKey,
    peers: [],
    onEnrol: (peer) => void peers.push(peer),
  });
  onTestFinished(() => relay.close());
  return { relay, peers };
}

describe('enrol', () => {
  it('returns what connect takes, also after a round trip through JSON', async () => {
    const echo = await startEcho();
    const target = `127.0.0.1:${echo.port}`;
    const { relay, peers } = await start();
    const keys = generateKeyPair();
    const enrolment = await enrol(relay.invite('program', { allow: [target] }).link, keys);
    expect(enrolment).toEqual({
      relay: relay.address,
      relayPublicKey: relay.publicKey,
      privateKey: keys.privateKey,
      presharedKey: peers[0]?.presharedKey,
      peerName: 'program',
      relayName: '',
    });
    expect(peers).toMatchObject([{ name: 'program', publicKey: keys.publicKey }]);

    const tunnel = await connect(JSON.parse(JSON.stringify(enrolment)));
    onTestFinished(() => tunnel.close());
    const socket = tunnel.dial(target);
    socket.end('hello');
    expect(String(await readAll(socket as never))).toBe('hello');
  });

  it('gets the same answer again with the same key, and none with another', async () => {
    const { relay } = await start();
    const { link } = relay.invite('program', { allow: [] });
    const keys = generateKeyPair();
    const first = await enrol(link, keys);
    expect(await enrol(link, keys)).toEqual(first);
    await expect(enrol(link, generateKeyPair())).rejects.toMatchObject({
      name: 'UnderpassError',
      code: 'invite-used',
      message: 'the link was used already',
      hint: expect.stringContaining('ask for a new one'),
    });
  });

  it.each([
    ['no link', (link: string) => link.replace('underpass', 'https')],
    ['a link that was cut short', (link: string) => link.slice(0, -1)],
    ['an altered link', (link: string) => link.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'))],
  ])('refuses %s before it sends anything, and never shows it', async (_, change) => {
    const { relay } = await start();
    const link = change(relay.invite('program', { allow: [] }).link);
    const error: unknown = await enrol(link, generateKeyPair()).catch((error: unknown) => error);
    expect(error).toMatchObject({ name: 'UnderpassError', code: 'invalid-option' });
    expect(inspect(error)).not.toContain(link.slice(-60, -2));
  });

  it('refuses what is no key, and never shows it', async () => {
    const { relay } = await start();
    const { link } = relay.invite('program', { allow: [] });
    await expect(enrol(link, { privateKey: 'hunter2' })).rejects.toMatchObject({
      code: 'invalid-option',
      message: 'privateKey is not a key',
    });
  });

  it('gives up when its signal aborts', async () => {
    const { relay } = await start();
    const { link } = relay.invite('program', { allow: [] });
    await relay.close();
    const keys = generateKeyPair();
    await expect(enrol(link, { ...keys, signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: 'AbortError',
    });
    const abort = new AbortController();
    const asked = enrol(link, { ...keys, signal: abort.signal });
    setImmediate(() => abort.abort());
    await expect(asked).rejects.toMatchObject({ name: 'AbortError' });
  });
});
