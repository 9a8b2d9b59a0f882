/** Decides about a request to enrol, and keeps the result before the client is told (spec enrolment 4). */
import { randomBytes } from 'node:crypto';
import type { EnrolOutcome } from '@underpass/relay';
import { onlyRules } from '../config/peer-rules.js';
import { isSameKey, KEY_BYTES } from '../key-text.js';
import { addEnrolled } from './store-changes.js';
import { loadStoredPeer, type StoredPeer, wipeStoredPeer } from './stored-peer.js';

/** @param name  the name of the invite whose link was used
 *  @param publicKey  the key of the client that wants to enrol
 *  @param nowMs  Unix milliseconds
 *  @throws when the store cannot be read or written; nobody has enrolled then */
export function enrolInStore(
  directory: string,
  name: string,
  publicKey: Uint8Array,
  nowMs: number,
): EnrolOutcome {
  const stored = loadStoredPeer(directory, name);
  if (stored === undefined) return { status: 'not-allowed' };
  const decided = outcomeOf(stored, publicKey, nowMs);
  if (decided !== undefined) {
    stored.invite.presharedKey.fill(0);
    return decided;
  }
  wipeStoredPeer(stored);
  const presharedKey = new Uint8Array(new ArrayBuffer(KEY_BYTES));
  const drawn = randomBytes(KEY_BYTES);
  presharedKey.set(drawn);
  drawn.fill(0);
  const rules = onlyRules(stored);
  if (addEnrolled(directory, name, { publicKey, presharedKey })) {
    return { status: 'opened', peer: { name, publicKey, presharedKey, ...rules } };
  }
  presharedKey.fill(0);
  // Another process enrolled somebody, or revoked the invite, at the same time.
  const now = loadStoredPeer(directory, name);
  const outcome = now && outcomeOf(now, publicKey, nowMs);
  now?.invite.presharedKey.fill(0);
  return outcome ?? { status: 'not-allowed' };
}

/** @returns undefined when the client can enrol now */
function outcomeOf(stored: StoredPeer, publicKey: Uint8Array, nowMs: number): EnrolOutcome | undefined {
  const { name, enrolled, invite, hasConnected } = stored;
  const isExpired = nowMs >= invite.expiresAtMs;
  if (enrolled === undefined) return isExpired ? { status: 'invite-expired' } : undefined;
  const { presharedKey } = enrolled;
  // spec enrolment 4.3: the answer was lost, or the client crashed before it kept the answer
  if (isSameKey(enrolled.publicKey, publicKey) && !hasConnected && !isExpired) {
    return { status: 'opened', peer: { name, publicKey, presharedKey, ...onlyRules(stored) } };
  }
  presharedKey.fill(0);
  return { status: 'invite-used' };
}
