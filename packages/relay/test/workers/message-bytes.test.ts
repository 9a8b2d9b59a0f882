import { describe, expect, it } from 'vitest';
import { decodeMessage, encodeMessage } from '../../src/workers/message-bytes.js';

const KEYS = [Uint8Array.of(1, 2, 3), Buffer.from([4]), new Uint8Array(0), new Uint8Array(1000).fill(9)];

function decoded(message: unknown) {
  const { values, arrays } = encodeMessage(message);
  const bytes = Buffer.concat([Uint8Array.of(0), ...arrays]).subarray(1);
  return { message: decodeMessage(values, bytes), bytes };
}

describe('a message between processes', () => {
  it('is the same after it was encoded and decoded', () => {
    const message = { text: 'ä', none: undefined, list: KEYS.map((key, i) => ({ i, key })), keys: KEYS };
    const expected = { ...message, keys: KEYS.map((key) => Uint8Array.from(key)) };
    expect(decoded(message).message).toEqual({
      ...expected,
      list: expected.keys.map((key, i) => ({ i, key })),
    });
  });

  it('has no byte of an array among its values, in buffers that V8 frees', () => {
    const { values, arrays } = encodeMessage({ key: new Uint8Array(32).fill(0x5a) });
    expect([Buffer.from(values).includes(0x5a), arrays.length]).toEqual([false, 1]);
  });

  it('gives the receiver views, which it can wipe', () => {
    const { message, bytes } = decoded({ key: Uint8Array.of(7, 7) });
    (message as { key: Uint8Array }).key.fill(0);
    expect(Array.from(bytes)).toEqual([0, 0]);
  });
});
