import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import decodeQr from 'qr/decode.js';
import { beforeEach, describe, expect, it } from 'vitest';
import { makeRoom, qrText } from '../../src/commands/invite.js';
import type { RelayFiles } from '../../src/commands/relay-files.js';
import { INVITE_GRACE_MS, MAX_INVITES } from '../../src/limits.js';
import { addInvite } from '../../src/store/store-changes.js';
import { loadStore, type StoredPeer } from '../../src/store/stored-peer.js';
import { invite, NOW, publicKey } from '../store/invites.js';
import { temporaryDirectory } from '../temporary-directory.js';

let store = '';
beforeEach(() => {
  store = path.join(temporaryDirectory(), 'relay.d');
});

const files = (stored: readonly StoredPeer[], peers: readonly string[] = []): RelayFiles => ({
  file: 'relay.toml',
  config: { peers: peers.map((name) => ({ name })) } as unknown as RelayFiles['config'],
  store,
  stored,
});
const stored = (name: string, expiresAtMs: number, isEnrolled = false): StoredPeer => ({
  name,
  allow: [],
  invite: invite(expiresAtMs),
  enrolled: isEnrolled ? { publicKey: publicKey(0x42), presharedKey: new Uint8Array(32) } : undefined,
  hasConnected: false,
});

describe('a new invite', () => {
  it.each([
    ['an open invite', [stored('laptop', NOW + 1)], [], 'laptop is taken: it is invited until'],
    [
      'a peer that enrolled',
      [stored('laptop', NOW - INVITE_GRACE_MS, true)],
      [],
      'laptop is taken: it is enrolled',
    ],
    ['a peer of the config', [], ['laptop'], 'laptop is a [[peer]] of relay.toml already'],
  ])('cannot have the name of %s', (_what, list, peers, message) => {
    expect(() => makeRoom(files(list, peers), 'laptop', NOW)).toThrow(message);
  });

  it('takes the place of one that has expired, and nobody misses those that are over', () => {
    addInvite(store, 'laptop', { allow: [] }, invite(NOW));
    addInvite(store, 'phone', { allow: [] }, invite(NOW));
    makeRoom(files(loadStore(store)), 'laptop', NOW);
    expect(loadStore(store).map(({ name }) => name)).toEqual(['phone']);
    makeRoom(files(loadStore(store)), 'laptop', NOW + INVITE_GRACE_MS);
    expect(existsSync(path.join(store, 'phone'))).toBe(false);
  });

  it('leaves an enrolled peer alone, however old its invite, and sweeps what other commands left behind', () => {
    mkdirSync(path.join(store, '.new-0123456789ab'), { recursive: true, mode: 0o700 });
    const old = stored('phone', NOW - 2 * INVITE_GRACE_MS, true);
    makeRoom(files([old, stored('tablet', NOW - INVITE_GRACE_MS, true)]), 'laptop', NOW);
    expect(existsSync(path.join(store, '.new-0123456789ab'))).toBe(true);
    makeRoom(files([]), 'laptop', Date.now() + 366 * 86_400_000);
    expect(existsSync(path.join(store, '.new-0123456789ab'))).toBe(false);
  });

  it('says how to free a name, and for how long invites count', () => {
    expect(() => makeRoom(files([stored('laptop', NOW + 1)]), 'laptop', NOW)).toThrow(
      expect.objectContaining({ hint: 'choose another name, or first: underpass revoke laptop' }),
    );
    const many = Array.from({ length: MAX_INVITES }, (_, i) => stored(`peer${i}`, NOW + 1));
    expect(() => makeRoom(files(many), 'laptop', NOW)).toThrow(
      expect.objectContaining({ hint: expect.stringContaining(`for ${INVITE_GRACE_MS / 86_400_000} days`) }),
    );
  });

  it(`is refused when there are ${MAX_INVITES}`, () => {
    const many = Array.from({ length: MAX_INVITES }, (_, i) => stored(`peer${i}`, NOW + 1, i % 2 === 0));
    expect(() => makeRoom(files(many), 'laptop', NOW)).toThrow(
      `there are ${MAX_INVITES} invites, and a relay keeps at most ${MAX_INVITES}`,
    );
    const more = [...many, stored('one more', NOW + 1)];
    expect(() => makeRoom(files(more), 'laptop', NOW)).toThrow(
      `there are ${MAX_INVITES + 1} invites, and a relay keeps at most ${MAX_INVITES}`,
    );
    expect(() => makeRoom(files(many.slice(1)), 'laptop', NOW)).not.toThrow();
    const forgotten = many.map((peer) => stored(peer.name, NOW - INVITE_GRACE_MS, true));
    expect(() => makeRoom(files(forgotten), 'laptop', NOW)).not.toThrow();
  });
});

describe('a QR code', () => {
  const link = `underpass://relay.example.org:51820/${'Aa0-_zZ9'.repeat(11)}wxyz`;

  /** What a camera sees on a terminal with a dark background: each character is two pixels, one above the other. */
  function seen(lines: readonly string[], scale: number) {
    const width = (lines[0]?.length ?? 0) * scale;
    const height = lines.length * 2 * scale;
    const data = new Uint8Array(width * height * 3);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const row = Math.floor(y / scale);
        const character = lines[row >> 1]?.[Math.floor(x / scale)] ?? ' ';
        const isLight = character === '█' || character === (row % 2 === 0 ? '▀' : '▄');
        data.fill(isLight ? 255 : 0, (y * width + x) * 3, (y * width + x + 1) * 3);
      }
    }
    return { width, height, data };
  }

  it('shows the link to a camera', () => {
    const lines = qrText(link, false).split('\n');
    expect(new Set(lines.map(({ length }) => length)).size).toBe(1);
    // Scanners need a light border of four modules on each side, which is two lines (ISO/IEC 18004 §5.3.8).
    for (const line of [...lines.slice(0, 2), lines.at(-2)]) expect(line).toMatch(/^█+$/);
    expect(lines.at(-1)).toMatch(/^[█▀]+$/);
    for (const line of lines.slice(0, -1)) expect(line).toMatch(/^████.*████$/);
    expect(decodeQr(seen(lines, 4))).toBe(link);
  });

  it('has its own colours where there are colours', () => {
    const [plain, colored] = [qrText(link, false), qrText(link, true)];
    expect(colored.replaceAll('\u001b[40;97m', '').replaceAll('\u001b[0m', '')).toBe(plain);
    // Each line by itself: a terminal may end colours with the line.
    for (const line of colored.split('\n')) {
      expect([line.startsWith('\u001b[40;97m'), line.endsWith('\u001b[0m')]).toEqual([true, true]);
    }
  });
});
