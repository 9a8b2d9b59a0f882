/** Invites for tests of the store. */
import path from 'node:path';
import { type AllowRule, parseAllowRule } from '@underpass/forward';
import { publicKeyOf } from '../../src/public-key.js';
import { addInvite } from '../../src/store/store-changes.js';
import type { StoredInvite } from '../../src/store/stored-peer.js';
import { temporaryDirectory } from '../temporary-directory.js';

export const NOW = Date.UTC(2026, 0, 31, 12);

export function rules(...texts: readonly string[]): AllowRule[] {
  return texts.map((text) => {
    const rule = parseAllowRule(text);
    if ('reason' in rule) throw new Error(rule.reason);
    return rule;
  });
}

/** @returns a public key that belongs to `seed` */
export function publicKey(seed: number): Uint8Array {
  return publicKeyOf(new Uint8Array(32).fill(seed));
}

export function invite(expiresAtMs = NOW + 3_600_000): StoredInvite {
  return { publicKey: publicKey(0x41), presharedKey: new Uint8Array(32).fill(7), expiresAtMs };
}

/** @returns the directory of a store with an open invite, `laptop` */
export function storeWithInvite(expiresAtMs?: number): string {
  const directory = path.join(temporaryDirectory(), 'relay.d');
  addInvite(directory, 'laptop', { allow: rules('localhost:80') }, invite(expiresAtMs));
  return directory;
}
