import { describe, expect, it } from 'vitest';
import { base64 } from '../../src/crypto/bytes.js';
import { countingRandom, SessionPair } from './session-pair.js';

describe('the key log (spec session 9)', () => {
  it('starts with the static private key, which opens the initiations that arrive', () => {
    const lines: string[] = [];
    new SessionPair({ keyLog: (line) => lines.push(line) });
    expect(lines[0]).toBe(`LOCAL_STATIC_PRIVATE_KEY = ${base64(countingRandom(1)(32))}`);
    expect(lines).toHaveLength(2); // one for each side
  });

  it('lists four keys per handshake, on both sides', () => {
    const lines: string[] = [];
    const presharedKey = new Uint8Array(32).fill(9);
    const pair = new SessionPair({ presharedKey, keyLog: (line) => lines.push(line) });
    lines.length = 0;
    pair.connect();
    expect(lines).toHaveLength(8);
    expect(lines.slice(0, 2)).toEqual([
      `LOCAL_STATIC_PRIVATE_KEY = ${base64(countingRandom(1)(32))}`,
      `REMOTE_STATIC_PUBLIC_KEY = ${base64(pair.b.core.publicKey)}`,
    ]);
    expect(lines[2]).toMatch(/^LOCAL_EPHEMERAL_PRIVATE_KEY = [A-Za-z0-9+/]{43}=$/);
    expect(lines[3]).toBe(`PRESHARED_KEY = ${base64(presharedKey)}`);
  });

  it('lists no preshared key if there is none', () => {
    const lines: string[] = [];
    const pair = new SessionPair({ keyLog: (line) => lines.push(line) });
    pair.connect();
    expect(lines.filter((line) => line.startsWith('PRESHARED'))).toEqual([]);
  });
});
