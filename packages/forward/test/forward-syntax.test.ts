import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Bind, formatTarget, type LocalForward, type ReverseForward } from '../src/forward-spec.js';
import {
  formatPlace,
  MAX_RANGE_PORTS,
  parseAnyTarget,
  parseDynamicForward,
  parseLocalForwards,
  parseReverseForwards,
  parseTarget,
  parseUdpForwards,
  withProxyProtocol,
} from '../src/forward-syntax.js';
import { MAX_UNIX_PATH_BYTES } from '../src/unix-path.js';

const loopback: Bind = { kind: 'loopback' };
const all: Bind = { kind: 'all' };
const at = (host: string): Bind => ({ kind: 'host', host });

// spec forwarding 1.1, 1.2
describe('a forward specification', () => {
  it.each<[string, Bind, number, string, number]>([
    ['8080:example.com:80', loopback, 8080, 'example.com', 80],
    ['0:example.com:80', loopback, 0, 'example.com', 80],
    ['localhost:8080:example.com:80', loopback, 8080, 'example.com', 80],
    [':8080:example.com:80', all, 8080, 'example.com', 80],
    ['*:8080:example.com:80', all, 8080, 'example.com', 80],
    ['0.0.0.0:8080:10.0.0.1:80', at('0.0.0.0'), 8080, '10.0.0.1', 80],
    ['192.0.2.7:8080:db.internal:5432', at('192.0.2.7'), 8080, 'db.internal', 5432],
    ['[::1]:8080:[2001:db8::1]:443', at('::1'), 8080, '2001:db8::1', 443],
    ['65535:[::ffff:10.0.0.1]:65535', loopback, 65535, '::ffff:10.0.0.1', 65535],
    ['8080:my_host.example.com.:80', loopback, 8080, 'my_host.example.com.', 80],
  ])('reads %s', (text, bind, port, host, hostPort) => {
    const place = { bind, port };
    expect(parseLocalForwards(text)).toEqual([
      { kind: 'local', text, place, target: { host, port: hostPort } },
    ]);
  });

  it.each([
    ['', 'expected [bind:]port:host:hostport'],
    ['8080', 'expected [bind:]port:host:hostport'],
    ['example.com:80', 'expected [bind:]port:host:hostport'],
    ['a:b:c:d:e', 'too many colons'],
    ['8080:::1:80', 'too many colons'],
    ['[::1:8080:example.com:80', 'a bracket is unclosed'],
    ['8080:[::1]x:80', 'a bracket is unclosed or misplaced'],
    ['8080:ex]ample:80', 'a bracket is unclosed or misplaced'],
    ['65536:example.com:80', "'65536' is not a valid port to listen on"],
    ['-1:example.com:80', "'-1' is not a valid port to listen on"],
    ['08:example.com:80', "'08' is not a valid port to listen on"],
    ['http:example.com:80', "'http' is not a valid port to listen on"],
    ['8080:example.com:0', "'0' is not a valid port for example.com: expected a number from 1 to 65535"],
    ['8080:example.com:', "'' is not a valid port for example.com"],
    ['8080::80', "'' is not a valid host"],
    ['8080:exa mple.com:80', "'exa mple.com' is not a valid host"],
    ['8080:127.1:80', "'127.1' is not a valid host"],
    ['8080:[example.com]:80', "'[example.com]' is not a valid host"],
    ['8080:[fe80::1%eth0]:80', "'[fe80::1%eth0]' is not a valid host"],
    ['8080:bücher.example:80', 'is not a valid host'],
    ['!:8080:example.com:80', "'!' is not a valid address to listen on"],
    ['8080:http://example.com:80', 'contains http:// as in a URL: write 8080:example.com:80'],
    ['8080:relative.sock', "'8080:relative.sock': expected [bind:]port:host:hostport"],
    ['8080:/run/../app.sock', 'has an empty, . or .. part'],
    ['8080:/run//app.sock', 'has an empty, . or .. part'],
    ['8080:/run/app.sock/', 'has an empty, . or .. part'],
    ['8080:/', 'has an empty, . or .. part'],
    [`8080:/${'x'.repeat(MAX_UNIX_PATH_BYTES)}`, `is longer than ${MAX_UNIX_PATH_BYTES} bytes`],
    ['8080:/run/\n.sock', 'control characters'],
    ['a:b:8080:/app.sock', 'expected [bind:]port:host:hostport'],
    ['x:/a.sock:example.com:80', "'/a.sock' is not a valid port to listen on"],
    ['/a.sock', 'expected [bind:]port:host:hostport'],
    ['8000-8010:example.com:80', 'has 11 ports to listen on, but one port at the target'],
    ['8000:example.com:80-81', 'has one port to listen on, but 2 ports at the target'],
    ['/a.sock:example.com:80-81', 'has one port to listen on, but 2 ports at the target'],
    ['8010-8000:example.com:80-90', 'ends before it begins'],
    ['0-3:example.com:80-83', 'expected a number from 1 to 65535, or a range as in 8000-8010'],
    ['8000-8001-8002:example.com:80', 'is not a valid port to listen on'],
    ['8000-:example.com:80', 'is not a valid port to listen on'],
    ['1-1025:example.com:1-1025', 'has more than 1024 ports'],
  ])('refuses %j and names the faulty part (spec forwarding 1.1: "MUST refuse a text")', (text, reason) => {
    expect(parseLocalForwards(text)).toEqual({ reason: expect.stringContaining(reason) });
  });

  it('parses any text to a forward or a reason', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[[\]:0-9a-f.*]{0,40}$/)), (text) => {
        const parsed = parseLocalForwards(text);
        if ('reason' in parsed) return parsed.reason.length > 0;
        return parsed.length >= 1 && parsed.length <= MAX_RANGE_PORTS && parsed.every(isWhole);
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['8080:/var/run/app.sock', { bind: loopback, port: 8080 }, { path: '/var/run/app.sock' }],
    ['[::1]:8080:/app.sock', { bind: at('::1'), port: 8080 }, { path: '/app.sock' }],
    ['/tmp/local.sock:[::1]:80', { path: '/tmp/local.sock' }, { host: '::1', port: 80 }],
    ['/a.sock:/b.sock', { path: '/a.sock' }, { path: '/b.sock' }],
    ['/sp ace/[x].sock:/b.sock', { path: '/sp ace/[x].sock' }, { path: '/b.sock' }],
  ])('takes the path of a unix socket at either end: %s', (text, place, target) => {
    expect(parseLocalForwards(text)).toEqual([{ kind: 'local', text, place, target }]);
  });

  it('makes a forward for each port of a range, whose text parses to the same (spec forwarding 1.1: "MUST have equally many ports")', () => {
    const forwards = parseLocalForwards('*:8000-8002:[::1]:9000-9002') as readonly LocalForward[];
    expect(forwards.map(({ text }) => text)).toEqual([
      '*:8000:[::1]:9000',
      '*:8001:[::1]:9001',
      '*:8002:[::1]:9002',
    ]);
    for (const forward of forwards) expect(parseLocalForwards(forward.text)).toEqual([forward]);
    const most = parseLocalForwards(`1-${MAX_RANGE_PORTS}:a:1-${MAX_RANGE_PORTS}`);
    expect(most).toHaveLength(MAX_RANGE_PORTS);
    const more = MAX_RANGE_PORTS + 1;
    expect(parseLocalForwards(`1-${more}:a:1-${more}`)).toEqual({
      reason: `'1-${more}' has more than ${MAX_RANGE_PORTS} ports: write several ranges`,
    });
    expect(parseLocalForwards('7-7:a:9-9')).toMatchObject([{ text: '7-7:a:9-9', target: { port: 9 } }]);
  });

  it('takes ,proxy-protocol behind it, and keeps it in the text', () => {
    const text = '8000-8001:a:1-2,proxy-protocol';
    const forwards = parseLocalForwards(text) as readonly LocalForward[];
    expect(forwards.map(({ text: own, proxyProtocol }) => [own, proxyProtocol])).toEqual([
      ['8000:a:1,proxy-protocol', true],
      ['8001:a:2,proxy-protocol', true],
    ]);
    for (const forward of forwards) {
      expect(parseLocalForwards(forward.text)).toEqual([forward]);
      expect(withProxyProtocol(forward)).toBe(forward);
    }
    const [plain] = parseLocalForwards('8000:a:1') as readonly [LocalForward];
    expect(withProxyProtocol(plain)).toEqual(forwards[0]);
    const [reverse] = parseReverseForwards('8000:a:1') as readonly [ReverseForward];
    expect([withProxyProtocol(reverse)]).toEqual(parseReverseForwards('8000:a:1,proxy-protocol'));
    expect(parseLocalForwards('8000:a:1,proxy')).toEqual({ reason: expect.stringContaining("'1,proxy'") });
    expect(parseUdpForwards('8000:a:1,proxy-protocol')).toEqual({ reason: expect.stringContaining('UDP') });
  });

  it('formats a place as it is written', () => {
    const texts = ['8080', '*:8080', '127.0.0.1:8080', '[::1]:8080', '/a.sock'];
    const places = texts.map(
      (text) => (parseLocalForwards(`${text}:a:1`) as readonly LocalForward[])[0]?.place,
    );
    expect(places.map((place) => formatPlace(place as LocalForward['place']))).toEqual(texts);
  });

  it('parses a formatted target back to the same target', () => {
    const host = fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6());
    fc.assert(
      fc.property(host, fc.integer({ min: 1, max: 65_535 }), (name, port) => {
        const target = { host: name, port };
        expect(parseLocalForwards(`0:${formatTarget(target)}`)).toMatchObject([{ target }]);
      }),
    );
  });
});

describe('a dynamic forward', () => {
  it.each([
    ['1080', { bind: loopback, port: 1080 }],
    ['0', { bind: loopback, port: 0 }],
    ['*:1080', { bind: all, port: 1080 }],
    ['[::1]:1080', { bind: at('::1'), port: 1080 }],
    ['/run/proxy.sock', { path: '/run/proxy.sock' }],
  ])('reads %s', (text, place) => {
    expect(parseDynamicForward(text)).toEqual({ kind: 'dynamic', text, place });
  });

  it.each([
    ['', "'' is not a valid port to listen on"],
    ['1080:example.com:80', 'expected [bind:]port'],
    ['example.com:http', "'http' is not a valid port to listen on"],
    ['1080-1090', 'one port is enough'],
    ['/a.sock:80', 'expected [bind:]port'],
    ['socks5://127.0.0.1:1080', 'contains socks5:// as in a URL: write 127.0.0.1:1080'],
  ])('refuses %j and names the faulty part', (text, reason) => {
    expect(parseDynamicForward(text)).toEqual({ reason: expect.stringContaining(reason) });
  });
});

describe('a target', () => {
  it.each([
    ['example.com:22', { host: 'example.com', port: 22 }],
    ['[::1]:22', { host: '::1', port: 22 }],
    ['unix:/run/app.sock', { path: '/run/app.sock' }],
  ])('reads %s', (text, target) => {
    expect(parseTarget(text)).toEqual(target);
  });

  it.each([
    ['example.com', 'expected host:port'],
    ['::1:22', 'expected host:port'],
    ['a:b:22', 'expected host:port'],
    ['example.com:0', "'0' is not a valid port for example.com"],
    ['example.com:22-23', "'22-23' is not a valid port for example.com"],
    ['unix:app.sock', "'app.sock' is not a valid port for unix"],
    ['unix:/run/../app.sock', 'has an empty, . or .. part'],
    ['ssh://example.com:22', 'contains ssh:// as in a URL'],
  ])('refuses %j and names the faulty part', (text, reason) => {
    expect(parseTarget(text)).toEqual({ reason: expect.stringContaining(reason) });
  });
});

describe('a target of any kind', () => {
  it.each([
    ['example.com:22', { host: 'example.com', port: 22 }],
    ['example.com:53/udp', { host: 'example.com', port: 53, protocol: 'udp' }],
    ['[::1]:53/udp', { host: '::1', port: 53, protocol: 'udp' }],
    ['unix:/run/udp', { path: '/run/udp' }],
    ['unix:/run/a/udp', { path: '/run/a/udp' }],
  ])('reads %s', (text, target) => {
    expect(parseAnyTarget(text)).toEqual(target);
  });

  it.each([
    ['example.com/udp', 'expected host:port'],
    ['/udp', 'expected host:port'],
    ['example.com:53/tcp', "'53/tcp' is not a valid port"],
    ['example.com:0/udp', "'0' is not a valid port for example.com"],
    ['udp://example.com:53', 'contains udp:// as in a URL: write example.com:53'],
    ['unix:///run/app.sock', 'contains unix:// as in a URL: write unix:/run/app.sock'],
    ['x unix://run/app.sock', 'contains unix:// as in a URL: write unix:/run/app.sock'],
  ])('refuses %s', (text, reason) => {
    expect(parseAnyTarget(text)).toEqual({ reason: expect.stringContaining(reason) });
  });
});

function isWhole({ place, target }: LocalForward): boolean {
  const isTarget = 'path' in target || (target.port >= 1 && target.port <= 65_535);
  return isTarget && ('path' in place || place.port >= 0);
}

describe('a reverse forward specification (spec reverse 1)', () => {
  it.each<[string, Bind, number, object]>([
    ['8080:localhost:3000', loopback, 8080, { host: 'localhost', port: 3000 }],
    ['0:localhost:3000', loopback, 0, { host: 'localhost', port: 3000 }],
    ['*:80:[::1]:3000', all, 80, { host: '::1', port: 3000 }],
    ['192.0.2.1:80:db.internal:5432', at('192.0.2.1'), 80, { host: 'db.internal', port: 5432 }],
    ['[2001:db8::1]:80:localhost:3000', at('2001:db8::1'), 80, { host: 'localhost', port: 3000 }],
    ['8080:/run/app.sock', loopback, 8080, { path: '/run/app.sock' }],
  ])('%s is a place of the relay and a target of the client', (text, bind, port, target) => {
    expect(parseReverseForwards(text)).toEqual([{ kind: 'reverse', text, place: { bind, port }, target }]);
  });

  it('may have a unix socket at either end', () => {
    expect(parseReverseForwards('/run/web.sock:/run/app.sock')).toEqual([
      {
        kind: 'reverse',
        text: '/run/web.sock:/run/app.sock',
        place: { path: '/run/web.sock' },
        target: { path: '/run/app.sock' },
      },
    ]);
  });

  it('may ask for a header with the address of the visitor', () => {
    expect(parseReverseForwards('8080:localhost:3000,proxy-protocol')).toMatchObject([
      { kind: 'reverse', text: '8080:localhost:3000,proxy-protocol', proxyProtocol: true },
    ]);
  });

  it('with ranges gives a forward for each port', () => {
    expect(parseReverseForwards('*:8000-8001:localhost:3000-3001')).toMatchObject([
      { kind: 'reverse', text: '*:8000:localhost:3000' },
      { kind: 'reverse', text: '*:8001:localhost:3001' },
    ]);
  });

  it.each([
    ['vps.example.org:8080:localhost:3000', "'vps.example.org' is a name: the relay listens on an address"],
    ['8080:localhost', 'expected [bind:]port:host:hostport'],
    ['8080:localhost:0', "'0' is not a valid port for localhost"],
  ])('%s is refused (spec reverse 1: "MUST refuse a name")', (text, reason) => {
    expect(parseReverseForwards(text)).toMatchObject({ reason: expect.stringContaining(reason) });
  });
});

describe('what is wrong with a specification', () => {
  const shape = 'expected [bind:]port:host:hostport, for example 8080:example.com:80';
  const range = ', or a range as in 8000-8010';
  const path = `/${'x'.repeat(MAX_UNIX_PATH_BYTES)}`;

  it.each([
    ['80:[::1:80', `'80:[::1:80': a bracket is unclosed or misplaced; ${shape}`],
    ['80:[::1]x:80', `'80:[::1]x:80': a bracket is unclosed or misplaced; ${shape}`],
    ['80:a]:80', `'80:a]:80': a bracket is unclosed or misplaced; ${shape}`],
    ['80:a:0', "'0' is not a valid port for a: expected a number from 1 to 65535"],
    ['80:a:65536', "'65536' is not a valid port for a: expected a number from 1 to 65535"],
    ['x:a:80', "'x' is not a valid port to listen on: expected a number from 0 to 65535"],
    ['0-5:a:1-6', `'0-5' is not a valid port to listen on: expected a number from 1 to 65535${range}`],
    ['1-5:a:0-4', `'0-4' is not a valid port for a: expected a number from 1 to 65535${range}`],
    ['1-2-3:a:1-3', `'1-2-3' is not a valid port to listen on: expected a number from 1 to 65535${range}`],
    ['5-1:a:1-5', "'5-1' is not a valid range of ports: it ends before it begins"],
    ['1-3:a b:1-3', "'a b' is not a valid host: expected a name or an IP address (IPv6 in brackets)"],
    ['1-3:a:1-2', "'1-3:a:1-2' has 3 ports to listen on, but 2 ports at the target: expected as many"],
    ['1-3:a:1', "'1-3:a:1' has 3 ports to listen on, but one port at the target: expected as many"],
    ['80', `'80': ${shape}`],
    ['1:2:3:4:5', "'1:2:3:4:5' has too many colons: write an IPv6 address in brackets, as in [::1]"],
    ['/run/a:b:/run/c:d', `'/run/a:b:/run/c:d': ${shape}`],
    ['a b:80:c:80', "'a b' is not a valid address to listen on: expected an IP address, a name or *"],
  ])('-L %s', (text, reason) => {
    expect(parseLocalForwards(text)).toEqual({ reason });
  });

  it.each([`${path}:a:80`, `80:${path}`])('a path that is too long is refused on both sides: %#', (text) => {
    expect(parseLocalForwards(text)).toEqual({
      reason: expect.stringContaining('the limit for unix sockets'),
    });
    expect(parseLocalForwards(`${text},proxy-protocol`)).toEqual(parseLocalForwards(text));
  });

  it('-U, -R and -D say what -L says', () => {
    expect(parseUdpForwards('80:a:0')).toEqual(parseLocalForwards('80:a:0'));
    expect(parseReverseForwards('80:a:0')).toEqual(parseLocalForwards('80:a:0'));
    expect(parseDynamicForward('[::1')).toEqual({ reason: expect.stringContaining('expected [bind:]port') });
    expect(parseDynamicForward('x')).toEqual({
      reason: "'x' is not a valid port to listen on: expected a number from 0 to 65535",
    });
    expect(parseDynamicForward(path)).toEqual({
      reason: expect.stringContaining('the limit for unix sockets'),
    });
  });

  it('-U is between ports, without a header', () => {
    expect(parseUdpForwards('53:9.9.9.9:53')).toEqual([
      {
        kind: 'udp',
        text: '53:9.9.9.9:53',
        place: { bind: loopback, port: 53 },
        target: { host: '9.9.9.9', port: 53, protocol: 'udp' },
      },
    ]);
    for (const text of ['53:/run/a', '/run/a:b:53']) {
      expect(parseUdpForwards(text)).toEqual({
        reason: `'${text}': UDP is forwarded between ports: expected [bind:]port:host:hostport, for example 5353:9.9.9.9:53`,
      });
    }
    expect(parseUdpForwards('53:a:53,proxy-protocol')).toEqual({
      reason: "'53:a:53,proxy-protocol': UDP has no PROXY protocol",
    });
  });
});
