import { fromHex, toHex } from '@underpass/testkit/crypto';
import { describe, expect, it } from 'vitest';
import type { Address } from '../../src/address.js';
import { readUint32 } from '../../src/little-endian.js';
import { COOKIE_REFRESH_MS } from '../../src/wireguard/constants.js';
import { CookieChecker, CookieJar } from '../../src/wireguard/cookie.js';
import { mac1Key, mac1Of, writeMacs } from '../../src/wireguard/mac.js';
import { COOKIE_REPLY_BYTES, classifyMessage, MessageType } from '../../src/wireguard/messages.js';
import { FIRST, flipBit, SUITE } from './captured.js';
import { RECORDED } from './recorded-cookie.js';

const REPLY = fromHex(RECORDED.cookie_reply);
const RESPONDER = fromHex(RECORDED.responder_static_public);
const INITIATION = fromHex(RECORDED.initiation_without_cookie);

function jarThatSent(message: Uint8Array): CookieJar {
  const jar = new CookieJar(SUITE, RESPONDER);
  jar.noteSent(message);
  return jar;
}

describe('the side that receives cookie replies (spec handshake 5.4)', () => {
  it('opens the recorded reply and makes the recorded mac2 from its cookie', () => {
    const jar = jarThatSent(INITIATION);
    expect(toHex(mac1Of(INITIATION))).toBe(RECORDED.mac1_of_it);
    expect(jar.handleReply(0, REPLY)).toBeUndefined();
    expect(toHex(jar.cookie(0))).toBe(RECORDED.cookie);
    const next = fromHex(RECORDED.next_initiation_with_mac2).fill(0, -32);
    writeMacs(SUITE, mac1Key(SUITE, RESPONDER), jar.cookie(0), next);
    expect(toHex(next)).toBe(RECORDED.next_initiation_with_mac2);
  });

  it('accepts one reply per message sent', () => {
    const jar = jarThatSent(INITIATION);
    expect(jar.handleReply(0, REPLY)).toBeUndefined();
    expect(jar.handleReply(0, REPLY)).toBe('unexpected-handshake');
    jar.noteSent(INITIATION);
    expect(jar.handleReply(0, REPLY)).toBeUndefined();
  });

  it('accepts no reply before it has sent anything, and none to an earlier message', () => {
    const jar = new CookieJar(SUITE, RESPONDER);
    expect(jar.handleReply(0, REPLY)).toBe('unexpected-handshake');
    jar.noteSent(INITIATION);
    jar.noteSent(fromHex(RECORDED.next_initiation_with_mac2));
    expect(jar.handleReply(0, REPLY)).toBe('authentication-failed');
    expect(jar.cookie(0)).toBeUndefined();
  });

  it('refuses a reply with any one bit changed, and still accepts the genuine one after that', () => {
    const jar = jarThatSent(INITIATION);
    for (let bit = 0; bit < 8 * REPLY.length; bit++) {
      // Bytes 4 to 7 are the receiver index, which the caller has used to find this jar.
      if (bit >= 32 && bit < 64) continue;
      const expected = bit < 32 ? 'malformed' : 'authentication-failed';
      expect([bit, jar.handleReply(0, flipBit(REPLY, bit))]).toEqual([bit, expected]);
    }
    for (let length = 0; length < REPLY.length; length++) {
      expect(jar.handleReply(0, REPLY.subarray(0, length))).toBe('malformed');
    }
    expect(jar.cookie(0)).toBeUndefined();
    expect(jar.handleReply(0, REPLY)).toBeUndefined();
  });

  it('uses a cookie for 120 s', () => {
    const jar = jarThatSent(INITIATION);
    jar.handleReply(1000, REPLY);
    expect(toHex(jar.cookie(1000 + COOKIE_REFRESH_MS - 1))).toBe(RECORDED.cookie);
    expect(jar.cookie(1000 + COOKIE_REFRESH_MS)).toBeUndefined();
    expect(jar.cookie(1000)).toBeUndefined();
  });

  it('keeps a copy of the mac1 it sent, not a view of the buffer', () => {
    const buffer = Buffer.from(INITIATION);
    const jar = jarThatSent(buffer);
    buffer.fill(0);
    expect(jar.handleReply(0, REPLY)).toBeUndefined();
  });

  it('overwrites its cookie when it is wiped, and accepts no more replies', () => {
    const jar = jarThatSent(INITIATION);
    jar.handleReply(0, REPLY);
    const cookie = jar.cookie(0);
    jar.wipe();
    expect(toHex(cookie)).toBe('00'.repeat(16));
    expect(jar.cookie(0)).toBeUndefined();
    expect(jar.handleReply(0, REPLY)).toBe('unexpected-handshake');
  });
});

describe('the side that asks for cookies (spec handshake 5.2, 5.3)', () => {
  const from = { address: '192.0.2.1', port: 4000 };
  const elsewhere = [
    { address: '192.0.2.1', port: 4001 },
    { address: '192.0.2.2', port: 4000 },
    { address: '2001:db8::1', port: 4000 },
  ];

  /** A checker whose randomness counts up. It comes in Buffers, because `Buffer.slice` does not copy. */
  function newChecker(publicKey: Uint8Array): CookieChecker {
    let next = 0;
    return new CookieChecker(SUITE, (length) => Buffer.alloc(length, ++next), publicKey);
  }

  function reply(now: number, checker: CookieChecker, message: Uint8Array, index: number): Uint8Array {
    return checker.createReply(message, index, checker.cookie(now, from));
  }

  function accepts(now: number, checker: CookieChecker, message: Uint8Array, sender: Address): boolean {
    return checker.hasValidMac2(message, checker.cookie(now, sender));
  }

  /** A message 1 whose mac2 is made from the cookie in the checker's reply to it. */
  function withMac2(now: number, checker: CookieChecker): Uint8Array {
    const { publicKey } = FIRST.responder;
    const message = new Uint8Array(FIRST.message1);
    const jar = new CookieJar(SUITE, publicKey);
    jar.noteSent(message);
    expect(jar.handleReply(now, reply(now, checker, message, 7))).toBeUndefined();
    writeMacs(SUITE, mac1Key(SUITE, publicKey), jar.cookie(now), message);
    return message;
  }

  it('addresses message 3 to the sender index of the message it answers, and makes it smaller than that message', () => {
    const message = reply(0, newChecker(FIRST.responder.publicKey), FIRST.message1, 0xfedc_ba98);
    expect(classifyMessage(message)).toBe(MessageType.cookieReply);
    expect(readUint32(message, 4)).toBe(0xfedc_ba98);
    expect(COOKIE_REPLY_BYTES).toBeLessThan(FIRST.message2.length);
  });

  it('recognizes its cookie, but only from the same address and port', () => {
    const checker = newChecker(FIRST.responder.publicKey);
    const message = withMac2(0, checker);
    expect(accepts(0, checker, message, from)).toBe(true);
    for (const other of elsewhere) expect(accepts(0, checker, message, other)).toBe(false);
    expect(accepts(0, checker, FIRST.message1, from)).toBe(false);
  });

  it('draws a new secret every 120 s', () => {
    const checker = newChecker(FIRST.responder.publicKey);
    const message = withMac2(500, checker);
    expect(accepts(500 + COOKIE_REFRESH_MS - 1, checker, message, from)).toBe(true);
    expect(accepts(500 + COOKIE_REFRESH_MS, checker, message, from)).toBe(false);
    const later = withMac2(500 + COOKIE_REFRESH_MS, checker);
    expect(accepts(500 + COOKIE_REFRESH_MS, checker, later, from)).toBe(true);
  });

  it('seals replies under its own public key, so the jar of another peer cannot open them', () => {
    const message = reply(0, newChecker(FIRST.initiator.publicKey), FIRST.message1, 7);
    const jar = new CookieJar(SUITE, FIRST.responder.publicKey);
    jar.noteSent(FIRST.message1);
    expect(jar.handleReply(0, message)).toBe('authentication-failed');
  });

  it('does not recognize earlier cookies after it was wiped', () => {
    const checker = newChecker(FIRST.responder.publicKey);
    const message = withMac2(0, checker);
    checker.wipe();
    expect(accepts(0, checker, message, from)).toBe(false);
  });
});
