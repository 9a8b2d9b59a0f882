import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Bind, formatTarget, parseLocalForward } from '../src/forward-spec.js';

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
    expect(parseLocalForward(text)).toEqual({ text, bind, port, target: { host, port: hostPort } });
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
    ['8080:/var/run/app.sock', 'Unix sockets are not supported yet'],
    ['/tmp/local.sock:example.com:80', 'Unix sockets are not supported yet'],
  ])('refuses %j and names the faulty part', (text, reason) => {
    expect(parseLocalForward(text)).toEqual({ reason: expect.stringContaining(reason) });
  });

  it('parses any text to a forward or a reason', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[[\]:0-9a-f.*]{0,40}$/)), (text) => {
        const parsed = parseLocalForward(text);
        if ('reason' in parsed) return parsed.reason.length > 0;
        return parsed.target.port >= 1 && parsed.target.port <= 65_535 && parsed.port >= 0;
      }),
      { numRuns: 2000 },
    );
  });

  it('parses a formatted target back to the same target', () => {
    const host = fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6());
    fc.assert(
      fc.property(host, fc.integer({ min: 1, max: 65_535 }), (name, port) => {
        const target = { host: name, port };
        expect(parseLocalForward(`0:${formatTarget(target)}`)).toMatchObject({ target });
      }),
    );
  });
});
