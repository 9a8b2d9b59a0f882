import { describe, expect, it } from 'vitest';
import type { Address } from '../../../src/address.js';
import {
  MAX_CHALLENGES,
  MAX_CHOSEN_ADDRESSES,
  Path,
  type ReceivedDatagram,
} from '../../../src/transport/path/path.js';

const HOME = { address: '192.0.2.1', port: 1000 };
const REBOUND = { address: '192.0.2.1', port: 2000 };
const AWAY = { address: '203.0.113.9', port: 1000 };

/** A transport message. @param reachedAt where our message of the handshake went */
function datagram(from: Address, reachedAt: Address | undefined = from): ReceivedDatagram {
  return { from, bytes: 100, reachedAt, isNewest: true };
}

function pathAt(home = HOME): Path {
  const path = new Path((length) => new Uint8Array(length).fill(7));
  path.onReceived(0, datagram(home));
  return path;
}

describe('Path (spec path)', () => {
  it('takes the first address that uses our keys as proven, because our response went there (spec path 2)', () => {
    const path = pathAt();
    expect(path.proven).toEqual(HOME);
    expect(path.allowanceBytes).toBe(Infinity);
    expect(path.dueAt).toBe(Infinity);
  });

  it('uses the first of our chosen addresses to answer, and no longer trusts the others (spec outage 7)', () => {
    const path = new Path((length) => new Uint8Array(length));
    for (let port = 1; port <= MAX_CHOSEN_ADDRESSES; port++) path.trust({ address: '192.0.2.9', port });
    path.trust(HOME);
    path.trust(AWAY);
    path.onReceived(0, { from: HOME, bytes: 100, isNewest: true });
    expect([path.proven, path.candidate]).toEqual([HOME, undefined]);
    path.onReceived(1, datagram(AWAY));
    expect([path.proven, path.candidate]).toEqual([HOME, AWAY]);
  });

  it('takes no datagram from elsewhere for the answer of a chosen address (spec outage 7)', () => {
    const path = new Path((length) => new Uint8Array(length));
    path.trust(HOME);
    path.trust(AWAY);
    // It was overtaken, so it does not move the path.
    path.onReceived(0, { ...datagram(REBOUND), isNewest: false });
    path.onReceived(1, datagram(HOME));
    expect([path.proven, path.candidate]).toEqual([HOME, undefined]);
  });

  it('remembers a limited number of chosen addresses', () => {
    const path = new Path((length) => new Uint8Array(length));
    path.trust(HOME);
    for (let port = 1; port <= MAX_CHOSEN_ADDRESSES; port++) path.trust({ address: '192.0.2.9', port });
    path.onReceived(0, datagram(HOME));
    expect(path.candidate).toEqual(HOME);
  });

  it('limits what is sent to the source of the first initiation, which may be a copy (spec path 2: "MUST NOT send more than 3 times")', () => {
    const path = new Path((length) => new Uint8Array(length));
    path.onReceived(0, { from: AWAY, bytes: 148, isNewest: true });
    expect(path.allowanceBytes).toBe(444);
    path.onSent(92);
    expect(path.allowanceBytes).toBe(352);
    // It need not answer a challenge: whoever uses our keys has our response.
    expect(path.candidate).toBeUndefined();
    expect(path.takeChallenge(1, 50)).toBeUndefined();
    expect(path.dueAt).toBe(Infinity);
    // Another source has an account of its own.
    path.onReceived(5, { from: REBOUND, bytes: 148, isNewest: true });
    expect(path.allowanceBytes).toBe(444);
  });

  it('never grants the same allowance twice, even if genuine datagrams end the trials (spec path 2)', () => {
    const path = pathAt();
    let received = 0;
    let sent = 0;
    for (let trial = 0; trial < 5; trial++) {
      path.onReceived(10 * trial, datagram(AWAY));
      received += 100;
      const bytes = Math.min(path.allowanceBytes, 250);
      path.onSent(bytes);
      sent += bytes;
      if (trial === 0) {
        for (let i = 0; i < MAX_CHALLENGES; i++) path.takeChallenge(1 + i, 1);
        path.handleTimeout(9);
      } else if (trial % 2 === 0) path.endTrial();
      else path.onReceived(10 * trial + 5, datagram(HOME));
      expect(path.address).toEqual(HOME);
    }
    expect(path.allowanceBytes).toBe(Infinity);
    path.onReceived(100, datagram(AWAY));
    expect(path.allowanceBytes).toBe(3 * (received + 100) - sent);
  });

  it('keeps the account of an address that was given up, so that it can save up for a challenge (spec path 2)', () => {
    const path = pathAt();
    const keepalive = { from: AWAY, bytes: 32, reachedAt: AWAY, isNewest: true };
    const giveUp = (from: number) => {
      for (let i = 1; i <= MAX_CHALLENGES; i++) path.takeChallenge(from + 50 * i, 50);
      path.handleTimeout(from + 50 * MAX_CHALLENGES + 50);
      return path.address;
    };
    path.onReceived(10, keepalive);
    path.onSent(16);
    expect(giveUp(10)).toEqual(HOME);
    path.onReceived(5_000, keepalive);
    expect(path.allowanceBytes).toBe(3 * 64 - 16);
    expect(giveUp(5_000)).toEqual(HOME);
    path.onReceived(10_000, { ...keepalive, from: REBOUND });
    expect(path.allowanceBytes).toBe(3 * 32);
  });

  it.each([
    [
      'by the use of our keys',
      (path: Path) => {
        path.onReceived(0, { from: AWAY, bytes: 148, isNewest: true });
        path.onSent(92);
        path.onReceived(1, datagram(AWAY));
      },
    ],
    [
      'by its answer, after it had been given up once',
      (path: Path) => {
        path.onReceived(0, datagram(HOME));
        path.onReceived(1, datagram(AWAY));
        path.onSent(50);
        path.endTrial();
        path.onReceived(2, datagram(AWAY));
        path.onResponse(path.takeChallenge(2, 50) as Uint8Array);
      },
    ],
  ])(
    'starts another account for an address that was proven in between, %s (spec path 2: "no longer count")',
    (_, prove) => {
      const path = new Path((length) => new Uint8Array(length).fill(7));
      prove(path);
      expect(path.proven).toEqual(AWAY);
      path.onReceived(10, datagram(REBOUND));
      path.onResponse(path.takeChallenge(10, 50) as Uint8Array);
      path.onReceived(20, datagram(AWAY));
      expect([path.proven, path.allowanceBytes]).toEqual([REBOUND, 300]);
    },
  );

  it('keeps the account of an address on trial when the owner chooses another one (spec path 2)', () => {
    const path = pathAt();
    path.onReceived(1, datagram(AWAY));
    path.onSent(50);
    path.endTrial();
    path.onReceived(2, datagram(AWAY));
    path.onSent(550);
    path.trust(REBOUND);
    path.onReceived(3, datagram(AWAY));
    expect(path.allowanceBytes).toBe(300);
  });

  it('does not credit an address with what another one sent (spec path 2)', () => {
    const path = pathAt();
    path.onReceived(10, datagram(AWAY));
    // These were reordered on the way, so they do not move the path.
    path.onReceived(11, { ...datagram(HOME), isNewest: false });
    path.onReceived(12, { ...datagram(REBOUND), isNewest: false });
    expect(path.candidate).toEqual(AWAY);
    expect(path.allowanceBytes).toBe(300);
  });

  it('compares each byte of the answer (spec path 3)', () => {
    const path = pathAt();
    path.onReceived(10, datagram(AWAY));
    const challenge = path.takeChallenge(10, 50) as Uint8Array;
    for (let i = 0; i < 8; i++) {
      const altered = new Uint8Array(challenge);
      altered[i] = (altered[i] as number) ^ 1;
      expect([i, path.onResponse(altered)]).toEqual([i, undefined]);
    }
    expect(path.onResponse(challenge.subarray(0, 7))).toBeUndefined();
    expect(path.onResponse(challenge)).toBe('address');
  });

  it('does not take the source of an initiation as proven, because it may be a copy (spec path 2)', () => {
    const path = new Path((length) => new Uint8Array(length));
    path.onReceived(0, { from: AWAY, bytes: 148, isNewest: true });
    expect(path.proven).toBeUndefined();
    path.onReceived(10, datagram(AWAY));
    expect(path.proven).toEqual(AWAY);
    expect(path.candidate).toBeUndefined();
  });

  it('takes the address that our message of the handshake reached as proven, not the one that uses its keys (spec path 2: "the message of the handshake that gave these keys")', () => {
    const path = new Path((length) => new Uint8Array(length));
    path.onReceived(0, { from: HOME, bytes: 100, isNewest: true });
    // A response to our own initiation, copied by somebody else.
    path.onReceived(5, { from: REBOUND, bytes: 92, isNewest: true });
    path.onReceived(10, datagram(AWAY, HOME));
    expect(path.proven).toEqual(HOME);
    expect(path.candidate).toEqual(AWAY);
    expect(path.allowanceBytes).toBe(300);
  });

  it('challenges an address that was there before another one was proven (spec path 2: "MUST be on trial")', () => {
    const path = new Path((length) => new Uint8Array(length));
    path.onReceived(0, { from: HOME, bytes: 148, isNewest: true });
    // A response to our own initiation, after a NAT has chosen another port.
    path.onReceived(5, { from: REBOUND, bytes: 92, isNewest: true });
    path.onSent(200);
    path.onReceived(10, datagram(REBOUND, HOME));
    expect([path.proven, path.candidate]).toEqual([HOME, REBOUND]);
    expect(path.isProven).toBe(false);
    expect(path.allowanceBytes).toBe(3 * 192 - 200);
    expect(path.onResponse(path.takeChallenge(10, 50) as Uint8Array)).toBe('port');
    expect([path.proven, path.isProven]).toEqual([REBOUND, true]);
  });

  it('challenges it too if an older message from elsewhere is what proves the other one (spec path 3)', () => {
    const path = new Path((length) => new Uint8Array(length));
    path.onReceived(0, { from: HOME, bytes: 148, isNewest: true });
    path.onReceived(5, { from: REBOUND, bytes: 92, isNewest: true });
    path.onReceived(10, { ...datagram(HOME), isNewest: false });
    expect([path.proven, path.candidate, path.dueAt]).toEqual([HOME, REBOUND, 10]);
    expect(path.allowanceBytes).toBe(3 * 92);
  });

  it('permits at most three times the bytes that came from a new address (spec path 2)', () => {
    const path = pathAt();
    path.onReceived(10, datagram(AWAY));
    expect(path.allowanceBytes).toBe(300);
    path.onSent(250);
    expect(path.allowanceBytes).toBe(50);
    path.onSent(60);
    expect(path.allowanceBytes).toBe(0);
    path.onReceived(20, datagram(AWAY));
    expect(path.allowanceBytes).toBe(290);
  });

  it('challenges three times, a probe timeout apart, and then goes back (spec path 3)', () => {
    const path = pathAt();
    path.onReceived(10, datagram(AWAY));
    for (let i = 0; i < MAX_CHALLENGES; i++) {
      expect(path.dueAt).toBe(10 + 50 * i);
      expect(path.takeChallenge(9 + 50 * i, 50)).toBeUndefined();
      path.handleTimeout(10 + 50 * i);
      expect(path.address).toEqual(AWAY);
      expect(path.takeChallenge(10 + 50 * i, 50)).toHaveLength(8);
    }
    expect(path.takeChallenge(160, 50)).toBeUndefined();
    path.handleTimeout(159);
    expect(path.address).toEqual(AWAY);
    path.handleTimeout(160);
    expect(path.address).toEqual(HOME);
    expect(path.candidate).toBeUndefined();
  });

  it('accepts only the same eight bytes as proof, and says what has changed (spec path 3, 4)', () => {
    for (const [to, kind] of [
      [AWAY, 'address'],
      [REBOUND, 'port'],
    ] as const) {
      const path = pathAt();
      path.onReceived(10, datagram(to));
      const challenge = path.takeChallenge(10, 50) as Uint8Array;
      expect(path.onResponse(new Uint8Array(8))).toBeUndefined();
      expect(path.onResponse(challenge)).toBe(kind);
      expect(path.proven).toEqual(to);
      expect(path.allowanceBytes).toBe(Infinity);
      expect(path.onResponse(challenge)).toBeUndefined();
    }
  });

  it('ends the trial when a datagram comes from the proven address (spec path 3)', () => {
    const path = pathAt();
    path.onReceived(10, datagram(AWAY));
    path.onReceived(20, datagram(HOME));
    expect(path.candidate).toBeUndefined();
    expect(path.allowanceBytes).toBe(Infinity);
  });

  it('needs no proof for an address that we chose ourselves (spec path 2)', () => {
    const path = pathAt();
    path.onReceived(10, datagram(AWAY));
    path.trust(REBOUND);
    expect(path.proven).toEqual(REBOUND);
    expect(path.candidate).toBeUndefined();
  });
});
