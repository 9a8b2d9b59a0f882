import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeEnrolAnswer,
  type EnrolAnswer,
  encodeEnrolAnswer,
  MAX_ENROL_ANSWER_BYTES,
  NAME_PATTERN,
} from '../../src/enrolment/enrol-answer.js';

const name = fc.stringMatching(NAME_PATTERN);
const answer: fc.Arbitrary<EnrolAnswer> = fc.record({
  presharedKey: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  peerName: name,
  relayName: fc.oneof(fc.constant(''), name),
});

describe('the answer to a client that has enrolled (spec enrolment 3.2)', () => {
  it('decodes to what was encoded, and later versions may add to it (spec enrolment 3.2: "MUST ignore bytes")', () => {
    fc.assert(
      fc.property(answer, fc.uint8Array({ maxLength: 9 }), (wanted, behind) => {
        const bytes = encodeEnrolAnswer(wanted);
        expect(bytes.length).toBeLessThanOrEqual(MAX_ENROL_ANSWER_BYTES);
        expect(decodeEnrolAnswer(Uint8Array.of(...bytes, ...behind))).toEqual(wanted);
      }),
    );
  });

  it('is a key and two names', () => {
    const presharedKey = new Uint8Array(32).fill(7);
    const bytes = encodeEnrolAnswer({ presharedKey, peerName: 'ab', relayName: 'c' });
    expect([...bytes]).toEqual([...presharedKey, 2, 0x61, 0x62, 1, 0x63]);
  });

  it('is not an answer at any truncation', () => {
    fc.assert(
      fc.property(answer, (wanted) => {
        const bytes = encodeEnrolAnswer(wanted);
        for (let length = 0; length < bytes.length; length++) {
          expect(decodeEnrolAnswer(bytes.subarray(0, length))).toBeUndefined();
        }
      }),
      { numRuns: 20 },
    );
  });

  it('with any bit flipped is another answer or none', () => {
    fc.assert(
      fc.property(answer, (wanted) => {
        const bytes = encodeEnrolAnswer(wanted);
        for (let bit = 0; bit < bytes.length * 8; bit++) {
          const flipped = new Uint8Array(bytes);
          flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
          expect(decodeEnrolAnswer(flipped)).not.toEqual(wanted);
        }
      }),
      { numRuns: 20 },
    );
  });

  it('has no name that would need quoting (spec enrolment 3.2: "MUST refuse an answer")', () => {
    const presharedKey = new Uint8Array(32);
    for (const bad of ['', '../x', '-x', '.x', 'a b', 'a/b', 'é', 'a'.repeat(65)]) {
      const wanted = { presharedKey, peerName: bad, relayName: 'x' };
      expect(() => encodeEnrolAnswer(wanted)).toThrow(RangeError);
      const names = new TextEncoder().encode(`${String.fromCharCode(bad.length)}${bad}\u0001x`);
      expect(decodeEnrolAnswer(Uint8Array.of(...presharedKey, ...names))).toBeUndefined();
    }
    const bytes = encodeEnrolAnswer({ presharedKey, peerName: 'x', relayName: 'yy' });
    bytes[bytes.length - 1] = 0x2f;
    expect(decodeEnrolAnswer(bytes)).toBeUndefined();
  });
});
