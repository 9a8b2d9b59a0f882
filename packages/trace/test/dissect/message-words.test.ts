/** How each message of WireGuard is explained, field by field (spec wire 2), and in one line of a list. */
import { describe as describeDissection, dissect } from '@underpass/trace';
import { describe, expect, it } from 'vitest';

/** A message of this type with counting bytes behind the type, and without a mac2. */
function message(type: number, length: number): Uint8Array {
  const bytes = Uint8Array.from({ length }, (_, i) => i);
  bytes.set([type, 0, 0, 0]);
  if (type < 3) bytes.fill(0, length - 16);
  return bytes;
}

const counting = (from: number, length: number) =>
  Buffer.from(Array.from({ length }, (_, i) => from + i)).toString('hex');
const inBase64 = (from: number) => Buffer.from(counting(from, 32), 'hex').toString('base64');

function fieldsOf(bytes: Uint8Array, isOpen = false): string[] {
  return dissect(bytes, isOpen).parts.flatMap(({ fields }) =>
    fields.map(({ name, value, length }) => `${name} (${length}): ${value}`),
  );
}

describe('the fields of a message', () => {
  it('initiation, sealed and open', () => {
    const bytes = message(1, 148);
    const front = [
      'message type (1): 1 handshake initiation',
      'reserved (3): zero',
      'sender index (4): 0x07060504',
      `ephemeral public key (32): ${inBase64(8)}`,
    ];
    const macs = [`mac1 (16): ${counting(116, 16)}`, 'mac2 (16): zero: no cookie'];
    expect(fieldsOf(bytes)).toEqual([
      ...front,
      "initiator's static public key, sealed (32): 32 bytes",
      `authentication tag (16): ${counting(72, 16)}`,
      'TAI64N timestamp, sealed (12): 12 bytes',
      `authentication tag (16): ${counting(100, 16)}`,
      ...macs,
    ]);
    bytes.set([0x40, 0, 0, 0, 0x65, 0x53, 0xf1, 0x0a, 0, 0, 0, 0], 88);
    expect(fieldsOf(bytes, true).slice(4, 7)).toEqual([
      `initiator's static public key (32): ${inBase64(40)}`,
      `authentication tag (16): ${counting(72, 16)}`,
      'TAI64N timestamp (12): 2023-11-14T22:13:20.000Z',
    ]);
    bytes[147] = 1;
    expect(fieldsOf(bytes).at(-1)).toBe(`mac2 (16): ${'00'.repeat(15)}01`);
    expect(dissect(bytes)).toMatchObject({
      kind: 'initiation',
      summary: 'handshake initiation from 0x07060504',
      parts: [{ name: 'initiation', spec: 'wire 2.2' }],
    });
  });

  it('response', () => {
    const bytes = message(2, 92);
    expect(fieldsOf(bytes)).toEqual([
      'message type (1): 2 handshake response',
      'reserved (3): zero',
      'sender index (4): 0x07060504',
      'receiver index (4): 0x0b0a0908',
      `ephemeral public key (32): ${inBase64(12)}`,
      `authentication tag (16): ${counting(44, 16)}`,
      `mac1 (16): ${counting(60, 16)}`,
      'mac2 (16): zero: no cookie',
    ]);
    expect(dissect(bytes)).toMatchObject({
      kind: 'response',
      summary: 'handshake response from 0x07060504 to 0x0b0a0908',
      parts: [{ name: 'response', spec: 'wire 2.3' }],
    });
  });

  it('cookie reply', () => {
    const bytes = message(3, 64);
    expect(fieldsOf(bytes)).toEqual([
      'message type (1): 3 cookie reply',
      'reserved (3): zero',
      'receiver index (4): 0x07060504',
      `nonce (24): ${counting(8, 24)}`,
      'cookie, sealed (16): 16 bytes',
      `authentication tag (16): ${counting(48, 16)}`,
    ]);
    expect(dissect(bytes)).toMatchObject({
      kind: 'cookie-reply',
      summary: 'cookie reply to 0x07060504',
      parts: [{ name: 'cookie reply', spec: 'wire 2.4' }],
    });
  });

  it('transport message that stays sealed', () => {
    const bytes = message(4, 48);
    bytes.set([0x10, 0x02, 0, 0, 0, 0, 0, 0], 8);
    expect(fieldsOf(bytes)).toEqual([
      'message type (1): 4 transport data',
      'reserved (3): zero',
      'receiver index (4): 0x07060504',
      'counter (8): 528',
      'payload, sealed (16): 16 bytes',
      `authentication tag (16): ${counting(32, 16)}`,
    ]);
    expect(dissect(bytes)).toMatchObject({
      kind: 'transport',
      summary: 'transport to 0x07060504, counter 528, 16 bytes sealed',
      parts: [
        { name: 'transport header', spec: 'wire 2.5', summary: 'to 0x07060504, counter 528' },
        { name: 'payload', spec: 'wire 2.5', summary: '16 bytes sealed' },
        { name: 'seal', spec: 'wire 1.2', summary: '' },
      ],
    });
  });

  it('keepalive', () => {
    const { summary, parts } = dissect(message(4, 32));
    expect(summary).toMatch(/, keepalive$/);
    expect(parts.map(({ name }) => name)).toEqual(['transport header', 'seal']);
  });

  it.each([
    [
      'shorter than a type',
      [1, 0, 0],
      'not a WireGuard message: the first four bytes are none of the four types',
    ],
    [
      'with a reserved byte',
      [1, 0, 1, 0],
      'not a WireGuard message: the first four bytes are none of the four types',
    ],
    ['of a known type alone', [4, 0, 0, 0], 'a message 4 cannot have 4 bytes'],
  ])('something else: %s', (_what, bytes, problem) => {
    expect(dissect(Uint8Array.from(bytes))).toEqual({
      kind: 'unknown',
      summary: problem,
      problem,
      parts: [
        {
          name: 'not decoded',
          summary: problem,
          spec: 'wire 2.1',
          fields: [
            { offset: 0, length: bytes.length, name: 'not decoded', value: problem, spec: 'wire 2.1' },
          ],
        },
      ],
    });
  });
});

describe('a dissection in one line', () => {
  it.each([
    ['initiation', message(1, 148), 'handshake', 'Initiation'],
    ['response', message(2, 92), 'handshake', 'Response'],
    ['cookie reply', message(3, 64), 'handshake', 'Cookie reply'],
    ['keepalive', message(4, 32), 'keepalive', 'Keepalive'],
    ['sealed message', message(4, 48), 'data', 'Sealed'],
    ['no message', message(9, 48), 'unknown', 'Not a message'],
  ])('of a %s', (_what, bytes, look, label) => {
    expect(describeDissection(dissect(bytes))).toEqual({ look, label });
  });
});
