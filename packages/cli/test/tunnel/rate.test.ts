/** A peer whose rate is limited, over a real tunnel (spec forwarding 4.8). */
import { parseMaxRate } from '@underpass/forward';
import { describe, expect, it } from 'vitest';
import { body, connect, readAll, sha256, startTarget } from '../../../../test/e2e/tcp.js';
import { at, newKeys, rules, runClient, runRelay } from './in-process.js';

const MIB = 1024 * 1024;

function rate(text: string) {
  const parsed = parseMaxRate(text);
  if ('reason' in parsed) throw new Error(parsed.reason);
  return parsed;
}

describe('a peer with a limited rate', () => {
  it('gets every byte, but later, and a reload takes the limit away without dropping a connection', async () => {
    const [up, down] = [body(2 * MIB, 1), body(2 * MIB + 7, 2)];
    let arrived: Promise<Buffer> | undefined;
    const { port } = await startTarget((socket) => {
      arrived = readAll(socket);
      socket.end(down);
    });
    const [relayKeys, clientKeys] = [newKeys(), newKeys()];
    const peer = {
      name: 'laptop',
      publicKey: clientKeys.publicKey,
      allow: rules([`127.0.0.1:${port}`]),
    };
    const slow = { ...peer, maxRate: rate('1 kB/s') };
    const relay = await runRelay({ privateKey: relayKeys.privateKey, peers: [slow] });
    const client = await runClient([`0:127.0.0.1:${port}`], {
      privateKey: clientKeys.privateKey,
      relay: at(relay),
      relayPublicKey: relayKeys.publicKey,
    });
    const socket = await connect(client.ports[0] ?? 0);
    const answer = readAll(socket);
    socket.end(up);
    await relay.heard.next('stream-opened');
    // The first chunk is through, and at that rate the rest would take half an hour.
    relay.relay.setPeers([{ ...peer, maxRate: rate('2 kB/s') }]);
    expect(relay.heard.of('stream-closed')).toEqual([]);
    relay.relay.setPeers([peer]);
    expect(sha256(await answer)).toBe(sha256(down));
    expect(sha256((await arrived) ?? new Uint8Array())).toBe(sha256(up));
    expect(await relay.heard.next('stream-closed')).toMatchObject({ clean: true });
    expect(relay.heard.of('stream-opened')).toHaveLength(1);
    expect(client.heard.of('disconnected')).toEqual([]);
  });

  it('is held back also in what it probes', async () => {
    const [relayKeys, clientKeys] = [newKeys(), newKeys()];
    const peer = { name: 'laptop', publicKey: clientKeys.publicKey, allow: [] };
    const relay = await runRelay({
      privateKey: relayKeys.privateKey,
      peers: [{ ...peer, maxRate: rate('1 kB/s') }],
    });
    const client = await runClient([], {
      privateKey: clientKeys.privateKey,
      relay: at(relay),
      relayPublicKey: relayKeys.publicKey,
    });
    let isOver = false;
    const probe = client.client.probe({ uploadBytes: MIB, downloadBytes: MIB }).then((outcome) => {
      isOver = true;
      return outcome;
    });
    // Another stream of the same peer is answered meanwhile: the limit is on bytes, not on requests.
    expect(await client.client.probe({ uploadBytes: 0, downloadBytes: 0 })).toMatchObject({ ok: true });
    expect(isOver).toBe(false);
    relay.relay.setPeers([peer]);
    expect(await probe).toMatchObject({ ok: true });
  });
});
