import { describe, expect, it } from 'vitest';
import type { Address } from '../../../src/address.js';
import {
  MAX_CHALLENGES,
  MAX_CHOSEN_ADDRESSES,
  PathGuard,
  type ReceivedDatagram,
} from '../../../src/transport/path/path-guard.js';

const HOME = { address: '192.0.2.1', port: 1000 };
const REBOUND = { address: '192.0.2.1', port: 2000 };
const AWAY = { address: '203.0.113.9', port: 1000 };

function datagram(from: Address, usesKeys = true): ReceivedDatagram {
  return { from, bytes: 100, usesKeys };
}

function guardAt(home = HOME): PathGuard {
  const guard = new PathGuard((length) => new Uint8Array(length).fill(7));
  guard.onReceived(0, datagram(home), home);
  return guard;
}

describe('PathGuard (spec path)', () => {
  it('takes the first address for proven: the handshake went there (spec path 2)', () => {
    const guard = guardAt();
    expect(guard.proven).toEqual(HOME);
    expect(guard.allowanceBytes).toBe(Infinity);
    expect(guard.dueAt).toBe(Infinity);
  });

  it('takes whichever of the addresses that we chose answers first, and the others no more (spec outage 7)', () => {
    const guard = new PathGuard((length) => new Uint8Array(length));
    for (let port = 1; port <= MAX_CHOSEN_ADDRESSES; port++) guard.trust({ address: '192.0.2.9', port });
    guard.trust(HOME);
    guard.trust(AWAY);
    guard.onReceived(0, datagram(HOME, false), HOME);
    expect([guard.proven, guard.candidate]).toEqual([HOME, undefined]);
    guard.onReceived(1, datagram(AWAY), AWAY);
    expect([guard.proven, guard.candidate]).toEqual([HOME, AWAY]);
  });

  it('remembers a limited number of addresses that we chose', () => {
    const guard = new PathGuard((length) => new Uint8Array(length));
    guard.trust(HOME);
    for (let port = 1; port <= MAX_CHOSEN_ADDRESSES; port++) guard.trust({ address: '192.0.2.9', port });
    guard.onReceived(0, datagram(HOME), HOME);
    expect(guard.candidate).toEqual(HOME);
  });

  it('limits what goes to the sender of the first initiation, which may be a copy (spec path 2)', () => {
    const guard = new PathGuard((length) => new Uint8Array(length));
    guard.onReceived(0, { from: AWAY, bytes: 148, usesKeys: false }, AWAY);
    expect(guard.allowanceBytes).toBe(444);
    guard.onSent(92);
    expect(guard.allowanceBytes).toBe(352);
    // It has nothing to prove but that it has our response.
    expect(guard.candidate).toBeUndefined();
    expect(guard.takeChallenge(1, 50)).toBeUndefined();
    expect(guard.dueAt).toBe(Infinity);
    // From somewhere else again: it starts from nothing.
    guard.onReceived(5, { from: REBOUND, bytes: 148, usesKeys: false }, REBOUND);
    expect(guard.allowanceBytes).toBe(444);
  });

  it('counts on where an address was given up: one that says little saves up for a challenge (spec path 2)', () => {
    const guard = guardAt();
    const keepalive = { from: AWAY, bytes: 32, usesKeys: true };
    const giveUp = (from: number) => {
      for (let i = 1; i <= MAX_CHALLENGES; i++) guard.takeChallenge(from + 50 * i, 50);
      return guard.takeExpired(from + 50 * MAX_CHALLENGES + 50);
    };
    guard.onReceived(10, keepalive, AWAY);
    guard.onSent(16);
    expect(giveUp(10)).toEqual(HOME);
    guard.onReceived(5_000, keepalive, AWAY);
    expect(guard.allowanceBytes).toBe(3 * 64 - 16);
    expect(giveUp(5_000)).toEqual(HOME);
    guard.onReceived(10_000, { ...keepalive, from: REBOUND }, REBOUND);
    expect(guard.allowanceBytes).toBe(3 * 32);
  });

  it('gives no allowance for what another address sent (spec path 2)', () => {
    const guard = guardAt();
    guard.onReceived(10, datagram(AWAY), AWAY);
    // Reordered on its way from the old address: the session stays where it moved.
    guard.onReceived(11, datagram(HOME), AWAY);
    guard.onReceived(12, datagram(REBOUND), AWAY);
    expect(guard.candidate).toEqual(AWAY);
    expect(guard.allowanceBytes).toBe(300);
  });

  it('compares each byte of the answer (spec path 3)', () => {
    const guard = guardAt();
    guard.onReceived(10, datagram(AWAY), AWAY);
    const challenge = guard.takeChallenge(10, 50) as Uint8Array;
    for (let i = 0; i < 8; i++) {
      const altered = new Uint8Array(challenge);
      altered[i] = (altered[i] as number) ^ 1;
      expect([i, guard.onResponse(altered)]).toEqual([i, undefined]);
    }
    expect(guard.onResponse(challenge.subarray(0, 7))).toBeUndefined();
    expect(guard.onResponse(challenge)).toBe('address');
  });

  it('does not take the sender of an initiation, which may be a copy, for proven (spec path 2)', () => {
    const guard = new PathGuard((length) => new Uint8Array(length));
    guard.onReceived(0, datagram(AWAY, false), AWAY);
    expect(guard.proven).toBeUndefined();
    guard.onReceived(10, datagram(AWAY), AWAY);
    expect(guard.proven).toEqual(AWAY);
    expect(guard.candidate).toBeUndefined();
  });

  it('takes the place to which the response went for proven, not that from which its keys are used (spec path 2)', () => {
    const guard = new PathGuard((length) => new Uint8Array(length));
    guard.onReceived(0, datagram(HOME, false), HOME);
    guard.onReceived(10, datagram(AWAY), AWAY);
    expect(guard.proven).toEqual(HOME);
    expect(guard.candidate).toEqual(AWAY);
    expect(guard.allowanceBytes).toBe(300);
  });

  it('sends at most three times what came from a new address (spec path 2)', () => {
    const guard = guardAt();
    guard.onReceived(10, datagram(AWAY), AWAY);
    expect(guard.allowanceBytes).toBe(300);
    guard.onSent(250);
    expect(guard.allowanceBytes).toBe(50);
    guard.onSent(60);
    expect(guard.allowanceBytes).toBe(0);
    guard.onReceived(20, datagram(AWAY), AWAY);
    expect(guard.allowanceBytes).toBe(290);
  });

  it('challenges three times, a probe timeout apart, and goes back (spec path 3)', () => {
    const guard = guardAt();
    guard.onReceived(10, datagram(AWAY), AWAY);
    for (let i = 0; i < MAX_CHALLENGES; i++) {
      expect(guard.dueAt).toBe(10 + 50 * i);
      expect(guard.takeChallenge(9 + 50 * i, 50)).toBeUndefined();
      expect(guard.takeExpired(10 + 50 * i)).toBeUndefined();
      expect(guard.takeChallenge(10 + 50 * i, 50)).toHaveLength(8);
    }
    expect(guard.takeChallenge(160, 50)).toBeUndefined();
    expect(guard.takeExpired(159)).toBeUndefined();
    expect(guard.takeExpired(160)).toEqual(HOME);
    expect(guard.candidate).toBeUndefined();
  });

  it('is convinced by the same eight bytes only, and says what moved (spec path 3, 4)', () => {
    for (const [to, kind] of [
      [AWAY, 'address'],
      [REBOUND, 'port'],
    ] as const) {
      const guard = guardAt();
      guard.onReceived(10, datagram(to), to);
      const challenge = guard.takeChallenge(10, 50) as Uint8Array;
      expect(guard.onResponse(new Uint8Array(8))).toBeUndefined();
      expect(guard.onResponse(challenge)).toBe(kind);
      expect(guard.proven).toEqual(to);
      expect(guard.allowanceBytes).toBe(Infinity);
      expect(guard.onResponse(challenge)).toBeUndefined();
    }
  });

  it('ends the trial when the peer is heard from its proven address (spec path 3)', () => {
    const guard = guardAt();
    guard.onReceived(10, datagram(AWAY), AWAY);
    guard.onReceived(20, datagram(HOME), HOME);
    expect(guard.candidate).toBeUndefined();
    expect(guard.allowanceBytes).toBe(Infinity);
  });

  it('trusts an address that we chose ourselves', () => {
    const guard = guardAt();
    guard.onReceived(10, datagram(AWAY), AWAY);
    guard.trust(REBOUND);
    expect(guard.proven).toEqual(REBOUND);
    expect(guard.candidate).toBeUndefined();
  });
});
