import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAllowRule } from '../src/allow-rules.js';

// spec forwarding 3.1
describe('an allow rule', () => {
  it.each([
    ['example.com:443', 'example.com:443'],
    ['EXAMPLE.Com.:443', 'example.com:443'],
    ['my_db-1.internal:1-65535', 'my_db-1.internal:*'],
    ['*.Example.com:80-90', '*.example.com:80-90'],
    ['example.com:1024-65535', 'example.com:1024-65535'],
    ['example.com:1-1023', 'example.com:1-1023'],
    ['DNS.example.com:53-53/udp', 'dns.example.com:53/udp'],
    ['*:443', '*:443'],
    ['*:*', '*:*'],
    ['localhost:8080', 'localhost:8080'],
    ['LOCALHOST.:8080', 'localhost:8080'],
    ['10.0.0.1:22', '10.0.0.1:22'],
    ['10.0.0.1/32:22', '10.0.0.1:22'],
    ['10.0.0.0/8:*', '10.0.0.0/8:*'],
    ['0.0.0.0/0:443', '0.0.0.0/0:443'],
    ['192.168.7.128/25:1', '192.168.7.128/25:1'],
    ['[2001:db8::1]:22', '[2001:db8::1]:22'],
    ['[2001:DB8:0:0::1]:22', '[2001:db8::1]:22'],
    ['[fd00::/8]:22', '[fd00::/8]:22'],
    ['[fd00::]/8:22', '[fd00::/8]:22'],
    ['[::/0]:22', '[::/0]:22'],
    ['[::ffff:10.0.0.1]:22', '10.0.0.1:22'],
    ['[::ffff:10.0.0.0/104]:22', '10.0.0.0/8:22'],
    ['[::ffff:0:0/96]:22', '0.0.0.0/0:22'],
    ['80-80.example:80-80', '80-80.example:80'],
    ['unix:443', 'unix:443'],
    ['unix:/Run/App:1.sock', 'unix:/Run/App:1.sock'],
  ])('reads %s as %s', (text, normal) => {
    expect(parseAllowRule(text)).toMatchObject({ text: normal });
  });

  it.each([
    ['', 'has no port'],
    ['unix:/run/../app.sock', 'has an empty, . or .. part'],
    ['unix://run/app.sock', 'contains unix:// as in a URL: write unix:/run/app.sock'],
    ['unix:/run/*', "'*' has no meaning in '/run/*'"],
    ['http://localhost:80', 'contains http:// as in a URL: write localhost:80'],
    ['https://Example.com:443/index', 'write Example.com:443'],
    ['example.com', 'has no port'],
    [':80', 'no host before the port'],
    ['example.com:', "'' is not a valid port"],
    ['example.com:0', "'0' is not a valid port"],
    ['example.com:65536', "'65536' is not a valid port"],
    ['example.com:http', "'http' is not a valid port"],
    ['example.com:90-80', "'90-80' is not a valid port"],
    ['example.com:1-2-3', "'1-2-3' is not a valid port"],
    ['example.com: 80', "' 80' is not a valid port"],
    ['example.com:080', "'080' is not a valid port"],
    ['2001:db8::1:443', 'write an IPv6 address in brackets'],
    ['[2001:db8::1:443', 'is not a valid IPv6 address'],
    ['[10.0.0.1]:443', 'is not a valid IPv6 address'],
    ['[fd00::/8]/8:443', 'is not a valid IPv6 address'],
    ['[fe80::1%eth0]:443', 'is not a valid network'],
    ['10.0.0.1/8:22', 'write 10.0.0.0/8'],
    ['0.0.0.1/0:22', 'write 0.0.0.0/0'],
    ['[::1/0]:22', 'write ::/0'],
    ['[fd00::1/8]:22', 'write fd00::/8'],
    ['[::ffff:10.0.0.0/90]:22', 'expected a number from 96 to 128'],
    // Bits after the prefix, within the byte that it covers in part.
    ['10.200.0.0/9:22', 'write 10.128.0.0/9'],
    ['192.168.7.129/25:22', 'write 192.168.7.128/25'],
    ['[fd00:f000::/18]:22', 'write fd00:c000::/18'],
    ['10.0.0.0/33:22', 'expected a number from 0 to 32'],
    ['[fd00::/129]:22', 'expected a number from 0 to 128'],
    ['10.0.0.0/:22', 'is not a valid prefix'],
    ['10.0.0.0/08:22', 'is not a valid prefix'],
    ['10.0.0.0/8/8:22', 'is not a valid network'],
    ['example.com/8:22', 'is not a valid network'],
    ['127.1:22', 'is not a valid IPv4 address'],
    ['0x7f.1:22', 'is not a valid IPv4 address'],
    ['0177.0.0.1:22', 'is not a valid IPv4 address'],
    ['2130706433:22', 'is not a valid IPv4 address'],
    ['256.0.0.1:22', 'is not a valid IPv4 address'],
    ['*.1:22', 'is not a valid IPv4 address'],
    ['*example.com:80', 'is not a valid host name'],
    ['a.*.example.com:80', 'is not a valid host name'],
    ['*.:80', 'is not a valid host name'],
    ['..:80', 'is not a valid host name'],
    ['-..:1', 'is not a valid host name'],
    ['*.example.com..:80', 'is not a valid host name'],
    ['exa mple.com:80', 'is not a valid host name'],
    ['bücher.example:80', 'xn-- form'],
    [`${'a'.repeat(64)}.example:80`, 'is not a valid host name'],
    [`${'a.'.repeat(127)}example:80`, 'is not a valid host name'],
    [`${'a'.repeat(400)}:80`, 'longer than 300'],
  ])('refuses %j and says why', (text, reason) => {
    expect(parseAllowRule(text)).toEqual({ reason: expect.stringContaining(reason) });
  });

  it('parses any text to a rule or a reason, and the text of a rule to an equal rule', () => {
    const pieces = fc.stringMatching(/^[*0-9a-f.:/[\]-]{0,30}:[0-9*-]{0,6}$/);
    fc.assert(
      fc.property(fc.oneof(fc.string(), pieces), (text) => {
        const rule = parseAllowRule(text);
        if ('reason' in rule) expect(rule.reason).not.toBe('');
        else expect(parseAllowRule(rule.text)).toEqual(rule);
      }),
      { numRuns: 5000 },
    );
  });
});
