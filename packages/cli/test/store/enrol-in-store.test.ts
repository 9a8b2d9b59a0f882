import { chmodSync } from 'node:fs';
import path from 'node:path';
import type { EnrolOutcome } from '@underpass/relay';
import { describe, expect, it } from 'vitest';
import { enrolInStore } from '../../src/store/enrol-in-store.js';
import { addEnrolled, noteConnected, removeStored, setRules } from '../../src/store/store-changes.js';
import { loadStoredPeer, type StoredPeer } from '../../src/store/stored-peer.js';
import { NOW, publicKey, rules, storeWithInvite } from './invites.js';

const HOUR_MS = 3_600_000;

function keyOf(outcome: EnrolOutcome): Uint8Array {
  if (outcome.status !== 'opened') throw new Error(outcome.status);
  return outcome.peer.presharedKey;
}

describe('enrolment in a store', () => {
  it('keeps the key and the rules before the client is told (spec enrolment 4.2: "preshared key and rules on disk before it answers")', () => {
    const directory = storeWithInvite();
    const outcome = enrolInStore(directory, 'laptop', publicKey(0x42), NOW);
    expect(outcome).toMatchObject({
      status: 'opened',
      peer: { name: 'laptop', publicKey: publicKey(0x42), allow: rules('localhost:80') },
    });
    expect(loadStoredPeer(directory, 'laptop')).toMatchObject({
      allow: rules('localhost:80'),
      enrolled: { publicKey: publicKey(0x42), presharedKey: keyOf(outcome) },
    });
  });

  it('draws a new preshared key for each peer', () => {
    const [one, two] = [1, 2].map(() =>
      keyOf(enrolInStore(storeWithInvite(), 'laptop', publicKey(0x42), NOW)),
    );
    expect(one).not.toEqual(two);
    expect(one?.some((byte) => byte !== 0)).toBe(true);
  });

  it('takes one key for an invite (spec enrolment 4.1: "MUST NOT let two keys enrol with one invite")', () => {
    const directory = storeWithInvite();
    const first = keyOf(enrolInStore(directory, 'laptop', publicKey(0x42), NOW));
    for (const nowMs of [NOW, NOW + 2 * HOUR_MS]) {
      expect(enrolInStore(directory, 'laptop', publicKey(0x43), nowMs)).toEqual({ status: 'invite-used' });
    }
    expect(loadStoredPeer(directory, 'laptop')?.enrolled).toEqual({
      publicKey: publicKey(0x42),
      presharedKey: first,
    });
  });

  it('takes one key when another process takes one at the same moment', () => {
    const directory = storeWithInvite();
    const presharedKey = new Uint8Array(32).fill(9);
    expect(addEnrolled(directory, 'laptop', { publicKey: publicKey(0x43), presharedKey })).toBe(true);
    expect(addEnrolled(directory, 'laptop', { publicKey: publicKey(0x42), presharedKey })).toBe(false);
    expect(enrolInStore(directory, 'laptop', publicKey(0x42), NOW)).toEqual({ status: 'invite-used' });
  });

  it('gives the same key the same answer until it has connected (spec enrolment 4.3: "MUST give a client that asks again")', () => {
    const directory = storeWithInvite();
    const enrol = (nowMs = NOW) => enrolInStore(directory, 'laptop', publicKey(0x42), nowMs);
    const first = keyOf(enrol());
    expect(keyOf(enrol())).toEqual(first);
    expect(enrol(NOW + HOUR_MS)).toEqual({ status: 'invite-used' });
    noteConnected(directory, 'laptop');
    noteConnected(directory, 'laptop');
    expect(enrol()).toEqual({ status: 'invite-used' });
  });

  it('is refused when the time is over (spec enrolment 4.5: "MUST answer invite expired")', () => {
    const directory = storeWithInvite();
    expect(enrolInStore(directory, 'laptop', publicKey(0x42), NOW + HOUR_MS)).toEqual({
      status: 'invite-expired',
    });
    expect(loadStoredPeer(directory, 'laptop')?.enrolled).toBeUndefined();
    expect(enrolInStore(directory, 'laptop', publicKey(0x42), NOW + HOUR_MS - 1).status).toBe('opened');
  });

  it('is refused when the invite is gone', () => {
    const directory = storeWithInvite();
    removeStored(directory, 'laptop');
    expect(enrolInStore(directory, 'laptop', publicKey(0x42), NOW)).toEqual({ status: 'not-allowed' });
  });

  it('uses the rules of the moment', () => {
    const directory = storeWithInvite();
    setRules(directory, loadStoredPeer(directory, 'laptop') as StoredPeer, { allow: rules('10.0.0.1:22') });
    const outcome = enrolInStore(directory, 'laptop', publicKey(0x42), NOW);
    expect(outcome).toMatchObject({ peer: { allow: rules('10.0.0.1:22') } });
  });

  it.skipIf(process.geteuid?.() === 0)('fails when nothing can be written, and the invite stays open', () => {
    const directory = storeWithInvite();
    const folder = path.join(directory, 'laptop');
    chmodSync(folder, 0o500);
    expect(() => enrolInStore(directory, 'laptop', publicKey(0x42), NOW)).toThrow('EACCES');
    chmodSync(folder, 0o700);
    expect(enrolInStore(directory, 'laptop', publicKey(0x43), NOW).status).toBe('opened');
  });
});
