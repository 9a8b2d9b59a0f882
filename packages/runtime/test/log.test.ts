import { describe, expect, it } from 'vitest';
import { shortKey, silentLog } from '../src/log.js';

describe('a line of the log', () => {
  it('names a peer by the beginning of its public key', () => {
    expect(shortKey(new Uint8Array(32))).toBe('AAAAAAAA…');
    expect(shortKey(new Uint8Array(32).fill(0xff))).toBe('////////…');
  });

  it('of any level is dropped by the silent log', () => {
    for (const level of ['debug', 'info', 'warn', 'error'] as const) {
      expect(silentLog[level]({ event: 'test' }, 'text')).toBeUndefined();
    }
  });
});
