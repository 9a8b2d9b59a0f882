import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_PROXY_REQUEST_BYTES } from '../../src/forward-constants.js';
import { ProxyDialogue, type ProxyOutcome } from '../../src/proxy/proxy-dialogue.js';
import type { AssociateRequest, ConnectRequest } from '../../src/proxy/proxy-request.js';
import type { TunnelFailure } from '../../src/tunnel-error.js';

const GREETING = [5, 1, 0];
const name = (text: string) => [text.length, ...Buffer.from(text)];
const FAILURES: readonly TunnelFailure[] = [
  'not-allowed',
  'name-not-found',
  'connection-refused',
  'unreachable',
  'timed-out',
  'relay-not-reached',
  'too-many-streams',
  'malformed-request',
  'internal-error',
  'connection-lost',
];

interface Said {
  /** Everything that the program was answered. */
  readonly replies: Buffer;
  readonly outcome: ProxyOutcome;
  /** What follows the request. */
  readonly rest: Buffer;
}

/** Passes pieces to a dialogue until it is over. */
function say(...pieces: readonly Uint8Array[]): Said {
  const dialogue = new ProxyDialogue();
  const replies: Uint8Array[] = [];
  let outcome: ProxyOutcome = { kind: 'more', reply: new Uint8Array(0) };
  const left = [...pieces];
  while (outcome.kind === 'more' && left.length > 0) {
    outcome = dialogue.receive(left.shift() as Uint8Array);
    replies.push(outcome.reply);
  }
  const behind = outcome.kind === 'request' ? [outcome.rest, ...left] : left;
  return { outcome, replies: Buffer.concat(replies), rest: Buffer.concat(behind) };
}

const bytes = (...parts: readonly (string | readonly number[])[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))));

function requestOf({ outcome }: Said): ConnectRequest {
  if (outcome.kind === 'request' && outcome.request.command === 'connect') return outcome.request;
  throw new Error(JSON.stringify(outcome));
}

function associateOf({ outcome }: Said): AssociateRequest {
  if (outcome.kind === 'request' && outcome.request.command === 'associate') return outcome.request;
  throw new Error(JSON.stringify(outcome));
}

const socks5 = (command: number, ...address: readonly number[]) =>
  bytes(GREETING, [5, command, 0, ...address]);
const failure5 = (code: number) => [5, 0, 5, code, 0, 1, 0, 0, 0, 0, 0, 0];
const REJECTED4 = [0, 91, 0, 0, 0, 0, 0, 0];

/** Whole dialogues of every protocol, with their target and the answer before it. */
const REQUESTS: readonly [string, Buffer, { host: string; port: number }, number[]][] = [
  ['SOCKS 5, IPv4', socks5(1, 1, 192, 0, 2, 7, 0x1f, 0x90), { host: '192.0.2.7', port: 8080 }, [5, 0]],
  [
    'SOCKS 5, IPv6',
    socks5(1, 4, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0xbb),
    { host: '2001:db8::1', port: 443 },
    [5, 0],
  ],
  ['SOCKS 5, a name', socks5(1, 3, ...name('db.internal'), 0, 22), { host: 'db.internal', port: 22 }, [5, 0]],
  ['SOCKS 5, an address as a name', socks5(1, 3, ...name('::1'), 0, 22), { host: '::1', port: 22 }, [5, 0]],
  [
    'SOCKS 5, several methods',
    bytes([5, 3, 2, 1, 0], [5, 1, 0, 1, 127, 0, 0, 1, 0, 80]),
    { host: '127.0.0.1', port: 80 },
    [5, 0],
  ],
  ['SOCKS 4', bytes([4, 1, 0, 80, 192, 0, 2, 7], 'ann\0'), { host: '192.0.2.7', port: 80 }, []],
  [
    'SOCKS 4, an address without a name',
    bytes([4, 1, 0, 80, 0, 0, 0, 0], 'ann\0'),
    { host: '0.0.0.0', port: 80 },
    [],
  ],
  [
    'SOCKS 4, an address that ends like one of 4a',
    bytes([4, 1, 0, 80, 7, 0, 0, 1], '\0'),
    { host: '7.0.0.1', port: 80 },
    [],
  ],
  [
    'SOCKS 4, an address that begins like one of 4a',
    bytes([4, 1, 0, 80, 0, 0, 7, 1], '\0'),
    { host: '0.0.7.1', port: 80 },
    [],
  ],
  [
    'SOCKS 4a',
    bytes([4, 1, 0, 80, 0, 0, 0, 1], 'ann\0', 'db.internal\0'),
    { host: 'db.internal', port: 80 },
    [],
  ],
  [
    'HTTP CONNECT',
    bytes('CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\nUser-Agent: x\r\n\r\n'),
    { host: 'example.com', port: 443 },
    [],
  ],
  [
    'HTTP CONNECT, IPv6, without fields',
    bytes('CONNECT [2001:db8::1]:443 HTTP/1.0\r\n\r\n'),
    { host: '2001:db8::1', port: 443 },
    [],
  ],
];

describe('a dialogue with a program', () => {
  it.each(REQUESTS)('reads a request: %s', (_name, request, target, before) => {
    const said = say(request);
    expect(requestOf(said).target).toEqual(target);
    expect([...said.replies]).toEqual(before);
    expect(said.rest.length).toBe(0);
  });

  it.each(REQUESTS)(
    'reads it split anywhere, and leaves what follows: %s (spec proxy 1)',
    (_name, request, target, before) => {
      const whole = Buffer.concat([request, Buffer.from('and the first bytes')]);
      const cuts = fc.uniqueArray(fc.integer({ min: 1, max: whole.length - 1 }), { maxLength: 12 });
      fc.assert(
        fc.property(cuts, (positions) => {
          const ends = [...positions.sort((a, b) => a - b), whole.length];
          const pieces = ends.map((end, index) => whole.subarray(ends[index - 1] ?? 0, end));
          const said = say(...pieces);
          expect(requestOf(said).target).toEqual(target);
          expect([...said.replies]).toEqual(before);
          expect(String(said.rest)).toBe('and the first bytes');
        }),
        { numRuns: 60 },
      );
      const single = say(...Array.from(whole, (byte) => Uint8Array.of(byte)));
      expect(requestOf(single).target).toEqual(target);
      expect(String(single.rest)).toBe('and the first bytes');
    },
  );

  it.each(REQUESTS)('waits at every truncation: %s', (_name, request) => {
    for (let length = 0; length < request.length; length++) {
      expect(say(request.subarray(0, length)).outcome.kind).toBe('more');
    }
  });

  it('ends with a request or a refusal, or waits for more, whatever arrives', () => {
    const start = fc.constantFrom([5, 1, 0, 5], [5], [4, 1], [...Buffer.from('CONNECT ')], []);
    fc.assert(
      fc.property(start, fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }), (first, pieces) => {
        const { outcome } = say(Uint8Array.from(first), ...pieces);
        if (outcome.kind !== 'request' || outcome.request.command !== 'connect') return;
        expect(outcome.request.target.port).toBeGreaterThan(0);
      }),
      { numRuns: 3000 },
    );
  });

  const NO_AUTHENTICATION = 'SOCKS authentication: there is none, so leave user name and password out';
  const NO_TARGET_5 = 'a SOCKS 5 target that is not a valid host and port';

  it.each<[string, Buffer, readonly number[], string]>([
    ['only a password method', bytes([5, 1, 2]), [5, 0xff], NO_AUTHENTICATION],
    ['no method', bytes([5, 0]), [5, 0xff], NO_AUTHENTICATION],
    [
      'BIND',
      socks5(2, 1, 0, 0, 0, 0, 0, 0),
      failure5(7),
      'the SOCKS 5 command 2: only CONNECT and UDP ASSOCIATE are supported',
    ],
    [
      'an unknown address type',
      socks5(1, 2, 0, 0),
      failure5(8),
      'a SOCKS 5 address of type 2, which does not exist',
    ],
    ['an empty name', socks5(1, 3, 0, 0, 80), failure5(1), NO_TARGET_5],
    ['a name with a space', socks5(1, 3, ...name('a b'), 0, 80), failure5(1), NO_TARGET_5],
    ['a name that is a number', socks5(1, 3, ...name('127.1'), 0, 80), failure5(1), NO_TARGET_5],
    ['port 0', socks5(1, 1, 1, 2, 3, 4, 0, 0), failure5(1), NO_TARGET_5],
    [
      'another version after the greeting',
      bytes(GREETING, [4]),
      failure5(1),
      'a SOCKS 5 request that is malformed',
    ],
    [
      'SOCKS 4 BIND',
      bytes([4, 2, 0, 80, 1, 2, 3, 4, 0]),
      REJECTED4,
      'the SOCKS 4 command 2: only CONNECT is supported',
    ],
    [
      'SOCKS 4a, an empty name',
      bytes([4, 1, 0, 80, 0, 0, 0, 1, 0, 0]),
      REJECTED4,
      'a SOCKS 4 target that is not a valid host and port',
    ],
    ['TLS', bytes([0x16, 3, 1]), [], 'TLS: set the proxy without it, as in http:// or socks5h://'],
    ['another first byte', bytes([0]), [], 'neither SOCKS nor HTTP'],
  ])('refuses %s (spec proxy 2, 5)', (_name, request, replies, reason) => {
    const said = say(request);
    expect(said.outcome).toMatchObject({ kind: 'refused', reason });
    expect([...said.replies]).toEqual(replies);
  });

  const ONLY_CONNECT =
    'this proxy forwards connections, not HTTP requests: use SOCKS 5 (socks5h://), or CONNECT (curl: --proxytunnel)';
  const NO_TARGET = 'CONNECT needs a target as in example.com:443';
  const NO_HTTP = 'what was sent is not an HTTP request';

  it.each([
    ['GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n', 405, ONLY_CONNECT],
    ['POST / HTTP/1.1\r\n', 405, ONLY_CONNECT],
    ['get / HTTP/1.0\r\n', 405, ONLY_CONNECT],
    ['M-SEARCH * HTTP/1.1\r\n', 405, ONLY_CONNECT],
    ['PRI * HTTP/2.0\r\n', 405, ONLY_CONNECT],
    ['CONNECT example.com HTTP/1.1\r\n', 400, NO_TARGET],
    ['CONNECT http://example.com:80 HTTP/1.1\r\n', 400, NO_TARGET],
    ['CONNECT unix:/run/app.sock HTTP/1.1\r\n', 400, NO_TARGET],
    ['CONNECT example.com:0 HTTP/1.1\r\n', 400, NO_TARGET],
    ['CONNECT 127.1:80 HTTP/1.1\r\n', 400, NO_TARGET],
    [`CONNECT ${'a.'.repeat(130)}example:80 HTTP/1.1\r\n`, 400, NO_TARGET],
    ['hello\r\n', 400, NO_HTTP],
    ['GET  / HTTP/1.1\r\n', 400, NO_HTTP],
    ['CONNECT a:1 HTTP/1.1 \r\n', 405, ONLY_CONNECT],
    ['see GET / HTTP/1.1\r\n', 400, NO_HTTP],
  ])('answers %j with %i and what to use (spec proxy 4)', (request, status, reason) => {
    const { replies, outcome } = say(bytes(request));
    expect(outcome).toMatchObject({ kind: 'refused', reason });
    const [head = '', body = ''] = String(replies).split('\r\n\r\n');
    expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(head).toContain(`Content-Length: ${body.length}`);
    expect(head.includes('Allow: CONNECT')).toBe(status === 405);
    expect(body).toBe(`underpass: ${reason}\n`);
  });

  it.each([
    ['HTTP', bytes('CONNECT example.com:443 HTTP/1.1\r\nX: ')],
    ['SOCKS 4', bytes([4, 1, 0, 80, 1, 2, 3, 4])],
    ['a request line', bytes('CONNECT ')],
  ])('ends a request that is longer than the limit: %s (spec proxy 8)', (_name, start) => {
    const filler = Buffer.alloc(MAX_PROXY_REQUEST_BYTES - start.length - 1, 'x');
    expect(say(start, filler).outcome.kind).toBe('more');
    const { outcome, replies } = say(start, filler, Buffer.from('x'));
    expect(outcome).toMatchObject({ kind: 'refused', reason: 'a request of more than 8192 bytes' });
    expect(replies.length).toBe(0);
  });

  it('reads no request behind the limit, also one that arrives at once (spec proxy 8)', () => {
    const head = (length: number) => {
      const start = 'CONNECT example.com:443 HTTP/1.1\r\nX: ';
      return bytes(`${start.padEnd(length - 4, 'x')}\r\n\r\n`);
    };
    const longest = say(Buffer.concat([head(MAX_PROXY_REQUEST_BYTES), Buffer.from('for the target')]));
    expect(requestOf(longest).target).toEqual({ host: 'example.com', port: 443 });
    expect(String(longest.rest)).toBe('for the target');
    expect(say(head(MAX_PROXY_REQUEST_BYTES + 1)).outcome).toMatchObject({ kind: 'refused' });
  });
});

// spec proxy 6
describe('the answer to a request', () => {
  it('of SOCKS 5 has the code of the failure, and no address', () => {
    const request = requestOf(say(socks5(1, 1, 1, 2, 3, 4, 0, 80)));
    const reply = (code: number) => [5, code, 0, 1, 0, 0, 0, 0, 0, 0];
    expect([...request.granted]).toEqual(reply(0));
    const codes = [2, 4, 5, 3, 6, 6, 1, 1, 1, 1];
    expect(FAILURES.map((failure) => [...request.refusal(failure, '')])).toEqual(codes.map(reply));
  });

  it('of UDP ASSOCIATE has the address to send to (spec proxy 9)', () => {
    const request = associateOf(say(socks5(3, 1, 0, 0, 0, 0, 0x1f, 0x90)));
    expect(request.fromPort).toBe(8080);
    const granted = [...request.granted({ address: '127.0.0.1', port: 258 })];
    expect(granted).toEqual([5, 0, 0, 1, 127, 0, 0, 1, 1, 2]);
    expect([...request.granted({ address: '::1', port: 258 })].slice(3)).toEqual([
      4,
      ...new Array(15).fill(0),
      1,
      1,
      2,
    ]);
    expect([...request.refusal('not-allowed')]).toEqual([5, 2, 0, 1, 0, 0, 0, 0, 0, 0]);
  });

  it('of SOCKS 4 is granted or rejected', () => {
    const request = requestOf(say(bytes([4, 1, 0, 80, 1, 2, 3, 4, 0])));
    expect([...request.granted]).toEqual([0, 90, 0, 0, 0, 0, 0, 0]);
    for (const failure of FAILURES) expect([...request.refusal(failure, '')]).toEqual(REJECTED4);
  });

  it('of HTTP says what happened', () => {
    const request = requestOf(say(bytes('CONNECT a:1 HTTP/1.1\r\n\r\n')));
    expect(String(request.granted)).toBe('HTTP/1.1 200 Connection established\r\n\r\n');
    const answers = FAILURES.map((failure) => String(request.refusal(failure, `because of ${failure}`)));
    // RFC 9209 §2.3
    expect(answers.map((answer) => answer.split('\r\n').slice(0, 2))).toEqual(
      [
        ['403 Forbidden', 'destination_ip_prohibited'],
        ['502 Bad Gateway', 'dns_error'],
        ['502 Bad Gateway', 'connection_refused'],
        ['502 Bad Gateway', 'destination_ip_unroutable'],
        ['504 Gateway Timeout', 'connection_timeout'],
        ['504 Gateway Timeout', 'connection_timeout'],
        ['503 Service Unavailable', 'connection_limit_reached'],
        ['502 Bad Gateway', 'proxy_internal_error'],
        ['502 Bad Gateway', 'proxy_internal_error'],
        ['502 Bad Gateway', 'proxy_internal_error'],
      ].map(([status, error]) => [`HTTP/1.1 ${status}`, `Proxy-Status: underpass; error=${error}`]),
    );
    expect(answers[1]).toBe(
      'HTTP/1.1 502 Bad Gateway\r\nProxy-Status: underpass; error=dns_error\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 37\r\nConnection: close\r\n\r\nunderpass: because of name-not-found\n',
    );
  });
});
