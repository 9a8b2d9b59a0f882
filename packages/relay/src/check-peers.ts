/** Checks a list of peers before the relay uses any of it. */
import { bytesKey, MAX_PEERS } from '@underpass/protocol';
import { UnderpassError } from '@underpass/runtime';
import type { RelayInviteOptions, RelayPeerOptions } from './relay-options.js';

/** @throws UnderpassError when there are too many, or two share a name or a key */
export function checkPeers(
  peers: readonly RelayPeerOptions[],
  invites: readonly RelayInviteOptions[] = [],
): void {
  if (peers.length + invites.length > MAX_PEERS) {
    throw new UnderpassError(
      'invalid-option',
      `${peers.length + invites.length} peers and invites are more than the ${MAX_PEERS} that one relay can have`,
      'distribute them over several relays',
    );
  }
  const names = new Set<string>();
  const keys = new Map<string, string>();
  for (const { name, publicKey } of peers) {
    if (names.has(name)) {
      throw new UnderpassError(
        'invalid-option',
        `two peers are named ${name}`,
        'give each peer a name of its own',
      );
    }
    names.add(name);
    const key = bytesKey(publicKey);
    const other = keys.get(key);
    if (other !== undefined) {
      throw new UnderpassError(
        'invalid-option',
        `${other} and ${name} have the same public key`,
        'give each peer its own key: two clients with one key keep taking the connection from each other',
      );
    }
    keys.set(key, name);
  }
  for (const { name, publicKey } of invites) {
    const key = bytesKey(publicKey);
    const other = keys.get(key);
    if (other !== undefined) {
      throw new UnderpassError(
        'invalid-option',
        `the invite ${name} has the same public key as ${other}`,
        `revoke ${name} and invite it again`,
      );
    }
    keys.set(key, name);
  }
}
