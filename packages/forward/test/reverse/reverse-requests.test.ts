import { describe, expect, it } from 'vitest';
import {
  decodeIncoming,
  decodeListen,
  decodeListenAnswer,
  encodeIncoming,
  encodeListen,
  encodeListenAnswer,
} from '../../src/reverse/reverse-requests.js';
import { MAX_UNIX_PATH_BYTES } from '../../src/unix-path.js';

const LONGEST_PATH = `/${'a'.repeat(MAX_UNIX_PATH_BYTES - 1)}`;

/** The fields as anybody could send them. */
const fields = (text: string, port: number, before: readonly number[] = []) =>
  Uint8Array.of(...before, text.length, ...Buffer.from(text), port >>> 8, port);

describe('the request LISTEN (spec streams 6.3)', () => {
  it.each([
    ['localhost', 0],
    ['localhost', 65_535],
    ['*', 80],
    ['::1', 80],
    ['192.0.2.1', 80],
    [LONGEST_PATH, 0],
  ])('may ask for %s and port %i', (bind, port) => {
    const bytes = encodeListen({ kind: 'listen', bind, port });
    expect(decodeListen(bytes)).toEqual({
      ok: true,
      value: { kind: 'listen', bind, port },
      bytesRead: bytes.length,
    });
    for (let length = 0; length < bytes.length; length++) {
      expect(decodeListen(bytes.subarray(0, length))).toEqual({ ok: false, reason: 'incomplete' });
    }
  });

  it.each([
    ['a.example', 80],
    ['[::1]', 80],
    ['fe80::1%eth0', 80],
    ['/run/web.sock', 80],
    [`${LONGEST_PATH}a`, 0],
    ['', 80],
  ])('may not ask for %s and port %i', (bind, port) => {
    expect(() => encodeListen({ kind: 'listen', bind, port })).toThrow(
      new RangeError(`not a place to listen on: ${bind} ${port}`),
    );
    expect(decodeListen(fields(bind, port))).toEqual({ ok: false, reason: 'malformed' });
  });

  it.each([-1, 65_536, 80.5, Number.NaN])('may not ask for port %d', (port) => {
    expect(() => encodeListen({ kind: 'listen', bind: 'localhost', port })).toThrow(RangeError);
  });

  it('is answered with a port of two bytes', () => {
    for (const port of [0, 255, 256, 65_535]) {
      const bytes = encodeListenAnswer(port);
      expect([bytes.length, decodeListenAnswer(bytes)]).toEqual([2, port]);
      expect([0, 1].map((length) => decodeListenAnswer(bytes.subarray(0, length)))).toEqual([
        undefined,
        undefined,
      ]);
    }
  });
});

describe('the request INCOMING (spec streams 6.3)', () => {
  it.each([
    [0, '192.0.2.1', 1],
    [63, '2001:db8::1', 65_535],
    [64, '192.0.2.1', 0],
    [2 ** 40, 'unix', 0],
  ])('of listener %i may name the source %s %i', (listener, host, port) => {
    const bytes = encodeIncoming({ kind: 'incoming', listener, host, port });
    expect(decodeIncoming(bytes)).toEqual({
      ok: true,
      value: { kind: 'incoming', listener, host, port },
      bytesRead: bytes.length,
    });
    for (let length = 0; length < bytes.length; length++) {
      expect(decodeIncoming(bytes.subarray(0, length))).toEqual({ ok: false, reason: 'incomplete' });
    }
  });

  it.each([
    ['unix', 1],
    ['a.example', 80],
    ['fe80::1%eth0', 80],
    ['', 80],
  ])('may not name the source %s %i', (host, port) => {
    expect(() => encodeIncoming({ kind: 'incoming', listener: 0, host, port })).toThrow(
      new RangeError(`not a source: ${host} ${port}`),
    );
    expect(decodeIncoming(fields(host, port, [0]))).toEqual({ ok: false, reason: 'malformed' });
  });

  it.each([-1, 65_536, 80.5, Number.NaN])('may not name port %d', (port) => {
    const request = { kind: 'incoming', listener: 0, host: '192.0.2.1', port } as const;
    expect(() => encodeIncoming(request)).toThrow(RangeError);
  });
});
