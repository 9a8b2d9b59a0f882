import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_PROBE_BYTES } from '../src/probe/probe-limits.js';
import {
  decodeRequest,
  decodeStatus,
  encodeRequest,
  encodeStatus,
  isRequestable,
  MAX_REQUEST_BYTES,
  REQUEST_STATUSES,
  requestFor,
  type StreamRequest,
} from '../src/request.js';
import { decodeListenAnswer, encodeListenAnswer } from '../src/reverse/reverse-requests.js';
import { MAX_UNIX_PATH_BYTES, unixPathProblem } from '../src/unix-path.js';

const LETTERS = [...'abcXYZ019-_.:'];
const path = fc
  .array(fc.string({ unit: fc.constantFrom(...'abcä🙂 :.-[]'), minLength: 1, maxLength: 8 }), {
    minLength: 1,
    maxLength: 5,
  })
  .map((parts) => `/${parts.join('/')}`)
  .filter((text) => unixPathProblem(text) === undefined);
const tcp = fc.record({
  kind: fc.constant('tcp' as const),
  host: fc.string({ unit: fc.constantFrom(...LETTERS), minLength: 1, maxLength: 255, size: 'max' }),
  port: fc.integer({ min: 1, max: 65_535 }),
});
const literal = fc.oneof(fc.ipV4(), fc.ipV6());
const request: fc.Arbitrary<StreamRequest> = fc.oneof(
  tcp,
  fc.record({ kind: fc.constant('unix' as const), path }),
  fc.record({
    kind: fc.constant('listen' as const),
    bind: fc.oneof(literal, fc.constantFrom('localhost', '*')),
    port: fc.integer({ min: 0, max: 65_535 }),
  }),
  fc.record({ kind: fc.constant('listen' as const), bind: path, port: fc.constant(0) }),
  fc.constant({ kind: 'incoming', listener: 3, host: 'unix', port: 0 } as const),
  fc.record({
    kind: fc.constant('incoming' as const),
    listener: fc.maxSafeNat(),
    host: literal,
    port: fc.integer({ min: 0, max: 65_535 }),
  }),
);

describe('a request to enrol (spec enrolment 3.1)', () => {
  const publicKey = Uint8Array.from({ length: 32 }, (_, i) => i);

  it('is a kind and a public key', () => {
    const bytes = encodeRequest({ kind: 'enrol', publicKey });
    expect([...bytes]).toEqual([6, ...publicKey]);
    const behind = Uint8Array.of(...bytes, 1, 2);
    expect(decodeRequest(behind)).toEqual({ ok: true, value: { kind: 'enrol', publicKey }, bytesRead: 33 });
  });

  it('is incomplete at every truncation', () => {
    const bytes = encodeRequest({ kind: 'enrol', publicKey });
    for (let length = 0; length < bytes.length; length++) {
      expect(decodeRequest(bytes.subarray(0, length))).toEqual({ ok: false, reason: 'incomplete' });
    }
  });

  it('carries no key of another length', () => {
    expect(() => encodeRequest({ kind: 'enrol', publicKey: publicKey.subarray(1) })).toThrow(RangeError);
  });
});

describe('a request (spec streams 6.1)', () => {
  it('decodes to what was encoded, and leaves the bytes after it', () => {
    fc.assert(
      fc.property(request, fc.uint8Array({ maxLength: 20 }), (wanted, behind) => {
        const bytes = encodeRequest(wanted);
        expect(bytes.length).toBeLessThanOrEqual(MAX_REQUEST_BYTES);
        const decoded = decodeRequest(Uint8Array.of(...bytes, ...behind));
        expect(decoded).toEqual({ ok: true, value: wanted, bytesRead: bytes.length });
      }),
    );
  });

  it('is encoded as kind, length, host and port', () => {
    const bytes = encodeRequest({ kind: 'tcp', host: 'ab', port: 0x1234 });
    expect([...bytes]).toEqual([1, 2, 0x61, 0x62, 0x12, 0x34]);
  });

  it('is incomplete at every truncation', () => {
    fc.assert(
      fc.property(request, (wanted) => {
        const bytes = encodeRequest(wanted);
        for (let length = 0; length < bytes.length; length++) {
          expect(decodeRequest(bytes.subarray(0, length))).toEqual({ ok: false, reason: 'incomplete' });
        }
      }),
      { numRuns: 20 },
    );
  });

  it('with any bit flipped is another valid request, incomplete or malformed', () => {
    fc.assert(
      fc.property(request, (wanted) => {
        const bytes = encodeRequest(wanted);
        for (let bit = 0; bit < bytes.length * 8; bit++) {
          const flipped = new Uint8Array(bytes);
          flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
          const decoded = decodeRequest(flipped);
          if (!decoded.ok) continue;
          expect(decoded.value).not.toEqual(wanted);
          expect(decodeRequest(encodeRequest(decoded.value))).toMatchObject({ value: decoded.value });
        }
      }),
      { numRuns: 20 },
    );
  });

  it('decodes any bytes to a result, and never reads past their end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300, size: 'max' }), (bytes) => {
        const decoded = decodeRequest(bytes);
        if (decoded.ok) expect(decoded.bytesRead).toBeLessThanOrEqual(bytes.length);
        else expect(['incomplete', 'malformed']).toContain(decoded.reason);
      }),
      { numRuns: 2000 },
    );
  });

  it('is encoded as kind, bind and port, or as kind, stream id, source and port', () => {
    expect([...encodeRequest({ kind: 'listen', bind: '*', port: 0x1234 })]).toEqual([4, 1, 0x2a, 0x12, 0x34]);
    const incoming = encodeRequest({ kind: 'incoming', listener: 300, host: '::1', port: 0x1234 });
    expect([...incoming]).toEqual([5, 0x41, 0x2c, 3, 0x3a, 0x3a, 0x31, 0x12, 0x34]);
  });

  it.each([
    ['another kind', [0x3f, 1, 0x61, 0, 80]],
    ['kind 0', [0]],
    ['no host', [1, 0, 0, 80]],
    ['port 0', [1, 1, 0x61, 0, 0]],
    ['a space in the host', [1, 1, 0x20, 0, 80]],
    ['a byte above ASCII in the host', [1, 1, 0xe4, 0, 80]],
    ['a zone in the host', [1, 1, 0x25, 0, 80]],
    ['no path', [2, 0]],
    ['a path that is too long', [2, MAX_UNIX_PATH_BYTES + 1]],
    ['a relative path', [2, 1, 0x61]],
    ['a path with an empty component', [2, 3, 0x2f, 0x2f, 0x61]],
    ['a path with a .. component', [2, 5, 0x2f, 0x2e, 0x2e, 0x2f, 0x61]],
    ['a path with a control character', [2, 2, 0x2f, 0x00]],
    ['a path that is not UTF-8', [2, 2, 0x2f, 0xff]],
    ['a name to listen on', [4, 1, 0x61, 0, 80]],
    ['nothing to listen on', [4, 0, 0, 80]],
    ['a unix socket with a port', [4, 2, 0x2f, 0x61, 0, 80]],
    ['a relative path to listen on', [4, 3, 0x2f, 0x2f, 0x61, 0, 0]],
    ['a unix source with a port', [5, 0, 4, 0x75, 0x6e, 0x69, 0x78, 0, 80]],
    ['a name as source', [5, 0, 1, 0x61, 0, 80]],
    [
      'a stream id beyond 2^53',
      [5, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 3, 0x3a, 0x3a, 0x31, 0, 80],
    ],
  ])(
    'with %s is malformed (spec streams 6.1: "MUST refuse bytes other than letters", "MUST also refuse a path")',
    (_name, bytes) => {
      expect(decodeRequest(Uint8Array.from(bytes))).toEqual({ ok: false, reason: 'malformed' });
    },
  );

  it('for a unix socket is encoded as kind, length and path', () => {
    expect([...encodeRequest({ kind: 'unix', path: '/ä' })]).toEqual([2, 3, 0x2f, 0xc3, 0xa4]);
    const longest = `/${'x'.repeat(MAX_UNIX_PATH_BYTES - 1)}`;
    expect(decodeRequest(encodeRequest({ kind: 'unix', path: longest }))).toMatchObject({ ok: true });
  });

  it('cannot be encoded for an invalid target: that is a bug of the caller', () => {
    expect(() => encodeRequest({ kind: 'tcp', host: 'a b', port: 80 })).toThrow(RangeError);
    expect(() => encodeRequest({ kind: 'tcp', host: 'a', port: 65_536 })).toThrow(RangeError);
    expect(() => encodeRequest({ kind: 'unix', path: 'a' })).toThrow(RangeError);
    expect(() => encodeRequest({ kind: 'listen', bind: 'name', port: 80 })).toThrow(RangeError);
    expect(() => encodeRequest({ kind: 'incoming', listener: 0, host: 'fe80::1%2', port: 80 })).toThrow(
      RangeError,
    );
  });
});

describe('a target that a request can carry (spec streams 6.1)', () => {
  it.each<[string, number, boolean]>([
    ['a', 1, true],
    ['a', 65_535, true],
    ['a', 0, false],
    ['a', 65_536, false],
    ['a', 1.5, false],
    ['a', Number.NaN, false],
    ['', 1, false],
    ['a'.repeat(255), 1, true],
    ['a'.repeat(256), 1, false],
    ['2001:db8::1', 1, true],
    ['a/b', 1, false],
    ['ä', 1, false],
  ])('is %s with the port %d: %s', (name, port, expected) => {
    expect(isRequestable(name, port)).toBe(expected);
    const encode = () => encodeRequest({ kind: 'tcp', host: name, port });
    if (expected) expect(decodeRequest(encode())).toMatchObject({ ok: true, value: { host: name, port } });
    else expect(encode).toThrow(RangeError);
  });

  it.each([
    [{ path: '/a' }, { kind: 'unix', path: '/a' }],
    [
      { host: 'a', port: 1 },
      { kind: 'tcp', host: 'a', port: 1 },
    ],
    [
      { host: 'a', port: 1, protocol: 'udp' },
      { kind: 'udp', host: 'a', port: 1 },
    ],
  ] as const)('is asked for by its kind: %j', (target, expected) => {
    expect(requestFor(target)).toEqual(expected);
  });

  it.each([
    ['a host without a length', [1, 0, 0, 80], 'malformed'],
    ['port 0', [1, 1, 0x61, 0, 0], 'malformed'],
    ['a host that is none', [1, 1, 0x20, 0, 80], 'malformed'],
    ['half a port', [1, 1, 0x61, 0x12], 'incomplete'],
    ['a path without a length', [2, 0, 0x2f], 'malformed'],
    ['a path that is too long', [2, MAX_UNIX_PATH_BYTES + 1], 'malformed'],
    ['half a path', [2, 3, 0x2f, 0x61], 'incomplete'],
    ['a path that is none', [2, 1, 0x61], 'malformed'],
    ['a kind that is none', [0], 'malformed'],
    ['nothing', [], 'incomplete'],
  ])('is not there in %s', (_, bytes, reason) => {
    expect(decodeRequest(Uint8Array.from(bytes))).toEqual({ ok: false, reason });
  });

  it('has a port of two bytes, and what is behind it is not part of it', () => {
    expect(decodeRequest(Uint8Array.of(3, 1, 0x61, 0x12, 0x34, 0xff))).toEqual({
      ok: true,
      value: { kind: 'udp', host: 'a', port: 0x1234 },
      bytesRead: 5,
    });
    expect(decodeRequest(Uint8Array.of(2, 2, 0x2f, 0x61, 0xff))).toEqual({
      ok: true,
      value: { kind: 'unix', path: '/a' },
      bytesRead: 4,
    });
  });
});

describe('a request to probe (spec probe 1)', () => {
  const probe = (downloadBytes: number) => encodeRequest({ kind: 'probe', downloadBytes });

  it('has a number of bytes up to the limit', () => {
    expect([...probe(0x1234)]).toEqual([7, 0, 0, 0x12, 0x34]);
    for (const downloadBytes of [0, 1, MAX_PROBE_BYTES]) {
      const bytes = Uint8Array.of(99, ...probe(downloadBytes), 99).subarray(1);
      expect(decodeRequest(bytes)).toEqual({
        ok: true,
        value: { kind: 'probe', downloadBytes },
        bytesRead: 5,
      });
    }
    for (const downloadBytes of [-1, MAX_PROBE_BYTES + 1, Number.NaN])
      expect(() => probe(downloadBytes)).toThrow(RangeError);
    expect(decodeRequest(Uint8Array.of(7, 4, 0, 0, 1))).toEqual({ ok: false, reason: 'malformed' });
  });

  it('is incomplete at every truncation', () => {
    for (let length = 0; length < 5; length++)
      expect(decodeRequest(probe(9).subarray(0, length))).toEqual({ ok: false, reason: 'incomplete' });
  });
});

describe('the answer to LISTEN (spec streams 6.3)', () => {
  it('is a port in two bytes', () => {
    expect([...encodeListenAnswer(0x1234)]).toEqual([0x12, 0x34]);
    expect(decodeListenAnswer(Uint8Array.of(0x12))).toBeUndefined();
    expect(decodeListenAnswer(Uint8Array.of(0x12, 0x34))).toBe(0x1234);
  });
});

describe('a status (spec streams 6.2)', () => {
  it.each(REQUEST_STATUSES.map((status, byte) => [status, byte] as const))(
    '%s is byte %i',
    (status, byte) => {
      expect([...encodeStatus(status)]).toEqual([byte]);
      expect(decodeStatus(Uint8Array.of(byte, 99))).toEqual({ ok: true, value: status, bytesRead: 1 });
    },
  );

  it('that is unknown is an internal error, and no bytes are incomplete', () => {
    for (let byte = REQUEST_STATUSES.length; byte < 256; byte++) {
      expect(decodeStatus(Uint8Array.of(byte))).toMatchObject({ value: 'internal-error' });
    }
    expect(decodeStatus(new Uint8Array(0))).toEqual({ ok: false, reason: 'incomplete' });
  });
});
