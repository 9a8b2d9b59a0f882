import { MAX_PEERS } from '@underpass/protocol';
import { UnderpassError } from '@underpass/runtime';
import { describe, expect, it } from 'vitest';
import { checkPeers } from '../src/check-peers.js';

function peer(name: string, key: number) {
  return { name, publicKey: new Uint8Array(32).fill(key), allow: [] };
}

function invite(name: string, key: number) {
  return { name, publicKey: new Uint8Array(32).fill(key), presharedKey: new Uint8Array(32) };
}

describe('a list of peers', () => {
  it('is accepted when names and keys differ', () => {
    expect(() => checkPeers([])).not.toThrow();
    expect(() => checkPeers([peer('a', 1), peer('A', 2), peer('b', 3)])).not.toThrow();
  });

  it.each([
    [
      'two with one name',
      [peer('a', 1), peer('b', 2), peer('a', 3)],
      'two peers are named a',
      'give each peer a name of its own',
    ],
    [
      'two with one key',
      [peer('a', 1), peer('b', 2), peer('c', 1)],
      'a and c have the same public key',
      'give each peer its own key',
    ],
  ])('is refused for %s, with advice', (_what, peers, message, hint) => {
    const check = () => checkPeers(peers);
    expect(check).toThrow(UnderpassError);
    expect(check).toThrow(expect.objectContaining({ message, hint: expect.stringContaining(hint) }));
  });

  it('may have invites with the names of peers, but not with a key of anybody', () => {
    expect(() => checkPeers([peer('a', 1)], [invite('a', 2), invite('b', 3)])).not.toThrow();
    for (const [peers, invites, message, hint] of [
      [
        [peer('a', 1)],
        [invite('b', 1)],
        'the invite b has the same public key as a',
        'revoke b and invite it again',
      ],
      [
        [],
        [invite('b', 1), invite('c', 1)],
        'the invite c has the same public key as b',
        'revoke c and invite it again',
      ],
    ] as const) {
      expect(() => checkPeers(peers, invites)).toThrow(expect.objectContaining({ message, hint }));
    }
  });

  it('counts invites too', () => {
    const peers = Array.from({ length: MAX_PEERS - 1 }, (_, index) => {
      const publicKey = new Uint8Array(32);
      new DataView(publicKey.buffer).setUint32(0, index);
      return { name: `${index}`, publicKey, allow: [] };
    });
    expect(() => checkPeers(peers, [invite('a', 250)])).not.toThrow();
    expect(() => checkPeers(peers, [invite('a', 250), invite('b', 251)])).toThrow(
      `${MAX_PEERS + 1} peers and invites are more than the ${MAX_PEERS} that one relay can have`,
    );
  });

  it('is limited in length', () => {
    const peers = Array.from({ length: MAX_PEERS + 1 }, (_, index) => {
      const publicKey = new Uint8Array(32);
      new DataView(publicKey.buffer).setUint32(0, index);
      return { name: `${index}`, publicKey, allow: [] };
    });
    expect(() => checkPeers(peers.slice(1))).not.toThrow();
    expect(() => checkPeers(peers)).toThrow(
      expect.objectContaining({
        message: expect.stringContaining(`${MAX_PEERS + 1} peers and invites are more than the ${MAX_PEERS}`),
        hint: 'distribute them over several relays',
      }),
    );
  });
});
