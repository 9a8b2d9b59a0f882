import { HEADER_BYTES, PACKET_TYPE, TAG_BYTES } from '@underpass/protocol';
import fc from 'fast-check';
import { expect, describe as group, it } from 'vitest';
import { describe } from '../../src/dissect/describe.js';
import { MessageDescriber } from '../../src/dissect/describe-message.js';
import { dissect } from '../../src/dissect/dissect.js';

/** A transport message whose payload is open. */
function message(...payload: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + payload.length + TAG_BYTES);
  bytes[0] = 4;
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

const describer = new MessageDescriber();

group('the short description of an open message', () => {
  it.each([
    ['a keepalive', message(), 'keepalive', 'Keepalive', undefined],
    ['a packet', message(PACKET_TYPE, 7, 1), 'control', 'PING', 7],
    ['an IPv4 packet', message(0x45, 0, 0, 0), 'control', 'IP packet', undefined],
    ['an IPv6 packet', message(0x60, 0, 0, 0), 'control', 'IP packet', undefined],
    ['another payload', message(0x99), 'control', 'unknown payload', undefined],
    ['the type of a packet alone', message(PACKET_TYPE), 'control', 'not decoded', undefined],
    ['half a packet number', message(PACKET_TYPE, 0x40), 'control', 'not decoded', undefined],
    ['a packet without frames', message(PACKET_TYPE, 0x40, 9), 'control', '', 9],
    ['data behind something else', message(PACKET_TYPE, 7, 1, 8, 4, 0, 0, 1), 'data', 'PING, STREAM', 7],
    ['a datagram of UDP', message(PACKET_TYPE, 7, 0x30, 4, 0), 'data', 'DATAGRAM', 7],
    ['limits of streams', message(PACKET_TYPE, 7, 0x11, 4, 0), 'control', 'MAX_STREAM_DATA', 7],
    ['a response', Uint8Array.of(2, ...new Array(91).fill(0)), 'handshake', 'Response', undefined],
    ['a cookie reply', Uint8Array.of(3, ...new Array(63).fill(0)), 'handshake', 'Cookie reply', undefined],
    ['an initiation', Uint8Array.of(1, ...new Array(147).fill(0)), 'handshake', 'Initiation', undefined],
    ['something else', Uint8Array.of(9, 9, 9), 'unknown', 'Not a message', undefined],
  ])('of %s', (_what, bytes, look, label, packetNumber) => {
    expect(describer.describe(bytes)).toEqual({ look, label, packetNumber });
  });

  it('of a packet says what the dissection says', () => {
    for (const bytes of [
      message(PACKET_TYPE, 7, 1, 8, 4, 0, 0, 1),
      message(PACKET_TYPE, 7, 0x11, 4, 0, 1, 1),
    ]) {
      const { look, label } = describer.describe(bytes);
      expect(describe(dissect(bytes, true))).toEqual({ look, label });
    }
  });

  it('is that of the dissection, for any frames that can be read', () => {
    const frame = fc.oneof(
      fc.constantFrom(0, 1).map((type) => [type]), // PADDING and PING
      fc
        .tuple(fc.constantFrom(0x08, 0x09), fc.nat(63), fc.nat(63))
        .map(([type, stream, offset]) => [...[type, stream, offset, 2], ...[1, 2]]),
      fc.array(fc.nat(255), { minLength: 1, maxLength: 12 }),
    );
    fc.assert(
      fc.property(fc.nat(63), fc.array(frame, { maxLength: 5 }), (number, frames) => {
        const bytes = message(PACKET_TYPE, number, ...frames.flat());
        const { look, label } = describer.describe(bytes);
        const dissection = dissect(bytes, true);
        // The one names a frame that is cut off, the other only those before it.
        if (dissection.problem === undefined) expect({ look, label }).toEqual(describe(dissection));
        else expect(label).toMatch(/not decoded$/);
      }),
    );
  });
});
