import { fromHex, toHex } from '@underpass/testkit/crypto';
import { describe, expect, it } from 'vitest';
import {
  cookieKey,
  hasValidMac1,
  hasValidMac2,
  mac1Key,
  mac1Of,
  mac2Of,
  writeMacs,
} from '../../src/wireguard/mac.js';
import { CAPTURED, FIRST, flipBit, SUITE } from './captured.js';
import { RECORDED } from './recorded-cookie.js';

describe('mac1 (spec handshake 4.1)', () => {
  it.each(CAPTURED)('is as it was captured, under the key of the receiver: $name', (captured) => {
    const { hex, initiator, responder, message1, message2 } = captured;
    const [key1, key2] = [mac1Key(SUITE, responder.publicKey), mac1Key(SUITE, initiator.publicKey)];
    expect([toHex(key1), toHex(key2)]).toEqual([hex.mac1_key_for_message1, hex.mac1_key_for_message2]);
    expect(hasValidMac1(SUITE, key1, message1)).toBe(true);
    expect(hasValidMac1(SUITE, key2, message2)).toBe(true);
    expect(hasValidMac1(SUITE, key2, message1)).toBe(false);
    expect(toHex(mac2Of(message1))).toBe('00'.repeat(16));
  });

  it('is wrong if any bit of it, or of the bytes before it, was changed', () => {
    const key = mac1Key(SUITE, FIRST.responder.publicKey);
    const { length } = FIRST.message1;
    for (let bit = 0; bit < 8 * length; bit++) {
      const isMac2 = bit >= 8 * (length - 16);
      expect([bit, hasValidMac1(SUITE, key, flipBit(FIRST.message1, bit))]).toEqual([bit, isMac2]);
    }
  });
});

describe('mac2 (spec handshake 4.2)', () => {
  const key = mac1Key(SUITE, fromHex(RECORDED.responder_static_public));
  const recorded = fromHex(RECORDED.next_initiation_with_mac2);
  const cookie = fromHex(RECORDED.cookie);

  it('is as recorded', () => {
    const message = new Uint8Array(recorded).fill(0, recorded.length - 32);
    writeMacs(SUITE, key, cookie, message);
    expect(toHex(message)).toBe(RECORDED.next_initiation_with_mac2);
    expect(toHex(mac2Of(message))).toBe(RECORDED.mac2_of_it);
    expect(hasValidMac1(SUITE, key, message)).toBe(true);
    expect(hasValidMac2(SUITE, cookie, message)).toBe(true);
  });

  it('covers mac1 too', () => {
    for (let bit = 0; bit < 8 * recorded.length; bit++) {
      expect([bit, hasValidMac2(SUITE, cookie, flipBit(recorded, bit))]).toEqual([bit, false]);
    }
  });

  it('is all zero without a cookie, whatever the buffer held before', () => {
    const message = new Uint8Array(recorded);
    writeMacs(SUITE, key, undefined, message);
    expect(toHex(mac2Of(message))).toBe('00'.repeat(16));
    expect(toHex(mac1Of(message))).toBe(toHex(mac1Of(recorded)));
    expect(hasValidMac2(SUITE, cookie, message)).toBe(false);
  });
});

it('the key of cookie replies is as recorded', () => {
  expect(toHex(cookieKey(SUITE, fromHex(RECORDED.responder_static_public)))).toBe(RECORDED.cookie_key);
});
