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
    ['an initiation', Uint8Array.of(1, ...new Array(147).fill(0)), 'handshake', 'Initiation', undefined],
    ['something else', Uint8Array.of(9, 9, 9), 'unknown', 'Not a message', undefined],
  ])('of %s', (_what, bytes, look, label, packetNumber) => {
    expect(describer.describe(bytes)).toEqual({ look, label, packetNumber });
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
