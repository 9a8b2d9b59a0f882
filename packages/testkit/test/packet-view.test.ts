import { CryptoLog, createInsecureTestSuite, readPacket } from '@underpass/testkit';
import { describe, expect, test } from 'vitest';

const packet = (...frames: number[]) => readPacket(Uint8Array.of(0x01, 7, ...frames));

describe('readPacket', () => {
  test('finds stream data, its offset and its FIN', () => {
    const view = packet(0x09, 4, 0x40, 0x80, 3, 1, 2, 3, 0, 0);
    expect(view).toMatchObject({ packetNumber: 7, isAckEliciting: true, isOnlyPing: false, frames: 1 });
    expect(view?.pieces).toEqual([{ streamId: 4, offset: 128, length: 3, fin: true }]);
  });

  test('treats an ACK as not ack-eliciting, and reads its ranges in descending order', () => {
    // Largest 20, delay 125 units, one more range: 20 to 18, a gap of 2 numbers, 15 to 14.
    const view = packet(0x02, 20, 0x40, 125, 1, 2, 1, 1);
    expect(view?.isAckEliciting).toBe(false);
    expect(view?.ack).toEqual({
      ranges: [
        [18, 20],
        [14, 15],
      ],
      delayMs: 1,
    });
  });

  test('recognises a PING with padding, such as an MTU probe', () => {
    expect(packet(0x01, 0, 0, 0)).toMatchObject({ isOnlyPing: true, isAckEliciting: true });
    expect(packet(0x01, 0x10, 5)?.isOnlyPing).toBe(false);
  });

  test('reports what it cannot parse', () => {
    expect(packet(0x3f)?.problem).toBe('unknown frame 0x3f');
    expect(packet(0x08, 4, 0, 50, 1)?.problem).toBe('frame 0x8 reaches beyond the end');
    expect(readPacket(Uint8Array.of(0x45, 0, 0))).toBeUndefined();
  });
});

describe('the log of a crypto suite', () => {
  const seal = (log: CryptoLog, key: Uint8Array, counter: number, payload: Uint8Array) => {
    const buffer = new Uint8Array(payload.length + 16);
    buffer.set(payload);
    const aead = log.suite.aead(key);
    aead.seal(0, counter, buffer, 0, payload.length);
    return { aead, buffer };
  };

  test('records what is sealed and what opens, but not what fails to open', () => {
    const log = new CryptoLog(createInsecureTestSuite(), () => 0);
    const key = new Uint8Array(32).fill(1);
    const { aead, buffer } = seal(log, key, 5, Uint8Array.of(0x01, 7, 0x01, 0));
    expect(log.sealed).toMatchObject([{ counter: 5, packet: { packetNumber: 7 }, payloadBytes: 4 }]);
    expect(aead.open(0, 6, buffer.slice(), 0, buffer.length)).toBe(false);
    expect(log.opened).toBeUndefined();
    expect(aead.open(0, 5, buffer, 0, buffer.length)).toBe(true);
    expect(log.opened).toMatchObject({ counter: 5 });
  });

  test('counts each cipher until it is destroyed', () => {
    const log = new CryptoLog(createInsecureTestSuite(), () => 0);
    const { aead } = seal(log, new Uint8Array(32).fill(1), 0, new Uint8Array(16));
    seal(log, new Uint8Array(32).fill(2), 0, new Uint8Array(16));
    expect(log.liveCiphers).toBe(2);
    aead.destroy();
    aead.destroy();
    expect(log.liveCiphers).toBe(1);
  });

  test('counts private keys that were not wiped, except the static one', () => {
    const log = new CryptoLog(createInsecureTestSuite(), () => 0);
    const [own, ephemeral] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
    for (const key of [own, ephemeral]) log.suite.x25519PublicKey(key);
    const left = () => log.countEphemeralKeys((key) => key === own);
    expect(left()).toBe(1);
    ephemeral.fill(0);
    expect(left()).toBe(0);
  });
});
