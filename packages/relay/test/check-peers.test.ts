import { MAX_PEERS } from '@underpass/protocol';
import { UnderpassError } from '@underpass/runtime';
import { describe, expect, it } from 'vitest';
import { checkPeers } from '../src/check-peers.js';

function peer(name: string, key: number) {
  return { name, publicKey: new Uint8Array(32).fill(key), allow: [] };
}

describe('a list of peers', () => {
  it('is accepted when names and keys differ', () => {
    expect(() => checkPeers([])).not.toThrow();
    expect(() => checkPeers([peer('a', 1), peer('A', 2), peer('b', 3)])).not.toThrow();
  });

  it.each([
    ['two with one name', [peer('a', 1), peer('b', 2), peer('a', 3)], 'two peers are named a'],
    ['two with one key', [peer('a', 1), peer('b', 2), peer('c', 1)], 'a and c have the same public key'],
  ])('is refused for %s', (_what, peers, message) => {
    const check = () => checkPeers(peers);
    expect(check).toThrow(UnderpassError);
    expect(check).toThrow(message);
  });

  it('is limited in length', () => {
    const peers = Array.from({ length: MAX_PEERS + 1 }, (_, index) => {
      const publicKey = new Uint8Array(32);
      new DataView(publicKey.buffer).setUint32(0, index);
      return { name: `${index}`, publicKey, allow: [] };
    });
    expect(() => checkPeers(peers.slice(1))).not.toThrow();
    expect(() => checkPeers(peers)).toThrow(
      `${MAX_PEERS + 1} peers and invites are more than the ${MAX_PEERS}`,
    );
  });
});
