import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { describe, expect, it } from 'vitest';
import { judgeAddress, judgeAddresses, judgeTarget, refuseUnixTarget } from '../src/authorize.js';
import { parseAddress } from '../src/host.js';
import { specialBlockOf } from '../src/special-purpose.js';
import { rules } from './rules.js';

function judge(texts: string[], host: string, port = 80) {
  return judgeTarget(rules(...texts), { host, port });
}

/** Whether `address` may be connected to for the target `host`. */
function permits(texts: string[], host: string, address = host, port = 80): boolean {
  return judgeAddress(rules(...texts), { host, port }, address).permitted;
}

describe('a target as the peer wrote it', () => {
  // spec forwarding 3.2
  it('is refused when there are no rules', () => {
    expect(judge([], 'example.com')).toMatchObject({ kind: 'refused' });
    expect(permits([], '192.0.43.8')).toBe(false);
  });

  // spec forwarding 3.4: "MUST refuse the target without a lookup"
  it.each([
    [['example.com:80'], 'example.com', 'lookup'],
    [['example.com:80'], 'EXAMPLE.com.', 'lookup'],
    [['example.com:443'], 'example.com', 'refused'],
    [['example.com:80'], 'www.example.com', 'refused'],
    [['*.example.com:80'], 'www.example.com', 'lookup'],
    [['*.example.com:80'], 'a.b.example.com', 'lookup'],
    [['*.example.com:80'], 'example.com', 'refused'],
    [['*.example.com:80'], 'badexample.com', 'refused'],
    [['*.example.com:80'], 'www.example.com.evil.example', 'refused'],
    [['*:80'], 'anything.example', 'lookup'],
    [['*:443'], 'anything.example', 'refused'],
    [['10.0.0.0/8:80', '*.internal:80'], 'db.internal', 'lookup'],
    // An address rule does not cover names, or a peer could make the relay look up any name.
    [['10.0.0.0/8:80'], 'db.internal', 'refused'],
    [['10.0.0.0/8:80', '*.internal:443'], 'db.internal', 'refused'],
    [['localhost:80'], 'secret.example', 'refused'],
    [['127.0.0.1:80', '[::1]:*'], 'localhost.example', 'refused'],
    [['0.0.0.0/0:*', '[::/0]:*'], 'secret.example', 'refused'],
  ])('rules %j: the name %s gives %s', (texts, host, kind) => {
    expect(judge(texts, host)).toMatchObject({ kind });
  });

  it('is looked up in its normal form', () => {
    expect(judge(['*:80'], 'WWW.Example.COM.')).toEqual({ kind: 'lookup', name: 'www.example.com' });
  });

  // spec forwarding 3.6: "MUST NOT be looked up"
  it.each(['localhost', 'LOCALHOST', 'localhost.'])('never looks up %s', (host) => {
    expect(judge(['*:*'], host)).toEqual({ kind: 'addresses', addresses: ['127.0.0.1', '::1'] });
  });

  // spec forwarding 3.6: "which is not an IPv4 address"
  it.each([
    '127.1',
    '0x7f.0.0.1',
    '0x7f000001',
    '2130706433',
    '0177.0.0.1',
    '127.0.0.1.',
    '127.0.0.1..',
    'localhost..',
    '1.2.3.4.5',
    'example.1',
    ':::',
    '::1::',
    '',
    '.',
    'a..b',
  ])('refuses %j, which others might read as an address', (host) => {
    expect(judge(['*:*', '0.0.0.0/0:*', '127.0.0.0/8:*'], host)).toMatchObject({ kind: 'refused' });
  });

  it('says which rule would allow it', () => {
    expect(judge(['example.com:443'], 'Db.Example.com', 5432)).toEqual({
      kind: 'refused',
      advice: 'no rule allows db.example.com:5432; to allow it, add the rule db.example.com:5432',
    });
  });
});

describe('an address that a target stands for', () => {
  // spec forwarding 3.3, 3.4: "MUST be a global unicast address"
  it.each([
    [['192.0.43.8:80'], '192.0.43.8', '192.0.43.8', true],
    [['192.0.43.8:443'], '192.0.43.8', '192.0.43.8', false],
    [['192.0.43.0/24:80'], '192.0.43.8', '192.0.43.8', true],
    [['192.0.43.9:80'], '192.0.43.8', '192.0.43.8', false],
    [['0.0.0.0/0:80'], '192.0.43.8', '192.0.43.8', true],
    [['*:80'], '192.0.43.8', '192.0.43.8', true],
    [['*:80'], '2600::1', '2600::1', true],
    [['[::/0]:80'], '2600::1', '2600::1', true],
    [['[::/0]:80'], '192.0.43.8', '192.0.43.8', false],
    [['0.0.0.0/0:80'], '2600::1', '2600::1', false],
    [['example.com:80'], '192.0.43.8', '192.0.43.8', false],
    [['example.com:80'], 'example.com', '192.0.43.8', true],
    [['*.example.com:80'], 'a.example.com', '192.0.43.8', true],
    [['*:80'], 'a.example.com', '192.0.43.8', true],
    // A private name needs two rules: one for the name, one for its address.
    [['192.0.43.8:80'], 'a.example.com', '192.0.43.8', false],
    [['10.0.0.0/8:80'], 'db.internal', '10.1.2.3', false],
    [['db.internal:80'], 'db.internal', '10.1.2.3', false],
    [['db.internal:80', '10.0.0.0/8:81'], 'db.internal', '10.1.2.3', false],
    [['db.internal:80', '10.0.0.0/8:80'], 'db.internal', '10.1.2.3', true],
    [['db.internal:80', '10.0.0.0/8:80'], 'db.internal', '192.0.43.8', true],
    [['*:80', '10.0.0.0/8:80'], 'db.internal', '10.1.2.3', true],
    [['10.0.0.0/8:80', 'evil.example:80'], 'evil.example', '192.168.0.1', false],
  ])('rules %j: %s at %s is permitted: %s', (texts, host, address, expected) => {
    expect(permits(texts, host, address)).toBe(expected);
  });

  const special = [
    ['0.0.0.0', '0.0.0.0/8'],
    ['0.1.2.3', '0.0.0.0/8'],
    ['10.1.2.3', '10.0.0.0/8'],
    ['100.100.100.201', '100.64.0.0/10'],
    ['127.0.0.1', '127.0.0.0/8'],
    ['127.255.0.1', '127.0.0.0/8'],
    ['169.254.169.253', '169.254.0.0/16'],
    ['172.16.0.1', '172.16.0.0/12'],
    ['172.31.255.255', '172.16.0.0/12'],
    ['192.0.0.191', '192.0.0.0/24'],
    ['192.0.2.1', '192.0.2.0/24'],
    ['192.88.99.1', '192.88.99.0/24'],
    ['192.168.1.1', '192.168.0.0/16'],
    ['198.19.0.1', '198.18.0.0/15'],
    ['198.51.100.1', '198.51.100.0/24'],
    ['203.0.113.1', '203.0.113.0/24'],
    ['224.0.0.1', '224.0.0.0/4'],
    ['239.255.255.255', '224.0.0.0/4'],
    ['240.0.0.1', '240.0.0.0/4'],
    ['255.255.255.255', '255.255.255.255'],
    ['::', '[::]'],
    ['::1', '[::1]'],
    ['::7f00:1', '[::/96]'],
    ['::ffff:0:127.0.0.1', '[::ffff:0:0:0/96]'],
    ['64:ff9b::c000:2b08', '[64:ff9b::/96]'],
    ['64:ff9b:1::a00:1', '[64:ff9b:1::/48]'],
    ['100::1', '[100::/64]'],
    ['2001::1', '[2001::/32]'],
    ['2001:db8::1', '[2001:db8::/32]'],
    ['2002:7f00:1::', '[2002::/16]'],
    ['3fff::1', '[3fff::/20]'],
    ['4000::1', '[4000::/2]'],
    ['5f00::1', '[5f00::/16]'],
    ['9000::1', '[8000::/1]'],
    ['fc00::1', '[fc00::/7]'],
    ['fd00:ec2::253', '[fc00::/7]'],
    ['fe80::1', '[fe80::/10]'],
    ['fec0::1', '[fec0::/10]'],
    ['ff02::1', '[ff00::/8]'],
  ] as const;

  // spec forwarding 3.5: "only by an address rule"
  it.each(special)('%s is permitted only by a rule within its own block', (address, block) => {
    const wide = ['*:*', '0.0.0.0/0:*', '[::/0]:*', 'evil.example:*', '*.example:*'];
    expect(permits(wide, address)).toBe(false);
    expect(permits(wide, 'evil.example', address)).toBe(false);
    const literal = address.includes(':') ? `[${address}]` : address;
    for (const rule of [`${block}:80`, `${literal}:80`]) {
      expect(permits([rule], address)).toBe(true);
      expect(permits([rule], 'good.example', address)).toBe(false);
      expect(permits([rule, 'good.example:80'], 'good.example', address)).toBe(true);
      expect(permits([rule], address, address, 81)).toBe(false);
    }
  });

  /** The network twice as large as a block, in the form that a rule has. */
  function widened(block: string): string {
    const text = block.replace(/^\[|\]$/g, '');
    const single = text.includes(':') ? '/128' : '/32';
    const [base, bits] = ipaddr.parseCIDR(text.includes('/') ? text : text + single);
    const network = `/${bits - 1}`;
    return text.includes(':')
      ? `[${ipaddr.IPv6.networkAddressFromCIDR(base + network)}${network}]`
      : `${ipaddr.IPv4.networkAddressFromCIDR(base + network)}${network}`;
  }

  // spec forwarding 3.5: "only by an address rule"
  it.each(special)('%s is not permitted by a network that exceeds its block', (address, block) => {
    expect(permits([`${widened(block)}:80`], address)).toBe(false);
  });

  const metadata = [
    '169.254.169.254',
    '169.254.170.2',
    '169.254.170.23',
    '169.254.0.23',
    '169.254.42.42',
    '100.100.100.200',
    '168.63.129.16',
    '192.0.0.192',
    'fd00:ec2::254',
    'fd00:ec2::23',
    'fd20:ce::254',
    'fd00:c1::a9fe:a9fe',
    'fd00:42::42',
    'fd00:a9fe:a9fe::1',
    'fe80::a9fe:a9fe',
    '64:ff9b::a9fe:a9fe',
    '64:ff9b::a00:1',
  ];

  // spec forwarding 3.5: "MUST NOT permit them"
  it.each(metadata)('%s is permitted only by a rule for exactly that address', (address) => {
    const hosts = address.includes(':') ? ['[::/0]', '[fc00::/7]', '[fd00::/8]'] : ['0.0.0.0/0'];
    if (!address.includes(':'))
      hosts.push(`${address.replace(/\d+$/, '0')}/24`, '169.254.0.0/16', '100.64.0.0/10');
    hosts.push('[64:ff9b::/96]', '[fe80::/10]', '*', '*.example', 'evil.example');
    const literal = address.includes(':') ? `[${address}]` : address;
    for (const suffix of ['', '/udp'] as const) {
      const transport = suffix === '' ? {} : ({ protocol: 'udp' } as const);
      const permits = (texts: string[], host: string) =>
        judgeAddress(rules(...texts), { host, port: 80, ...transport }, address).permitted;
      const wide = hosts.map((host) => `${host}:*${suffix}`);
      expect(permits(wide, address)).toBe(false);
      expect(permits(wide, 'evil.example')).toBe(false);
      expect(permits([`${literal}:80${suffix}`], address)).toBe(true);
      expect(permits([`${literal}:80${suffix}`], 'evil.example')).toBe(false);
      expect(permits([`${literal}:80${suffix}`, `*:80${suffix}`], 'evil.example')).toBe(true);
    }
  });

  it('that serves metadata is refused with the rule that would allow it', () => {
    const wide = rules('169.254.0.0/16:80');
    expect(judgeAddress(wide, { host: '169.254.169.254', port: 80 }, '169.254.169.254')).toEqual({
      permitted: false,
      advice:
        '169.254.169.254:80 is a metadata address of a cloud and needs a rule for exactly this address; to allow it, add the rule 169.254.169.254:80',
    });
  });

  // spec forwarding 3.5
  it('is not permitted by a network that extends beyond its block', () => {
    expect(permits(['126.0.0.0/7:80'], '127.0.0.1')).toBe(false);
    expect(permits(['126.0.0.0/7:80'], '126.0.0.1')).toBe(true);
    expect(permits(['[::/96]:80'], '::1')).toBe(false);
    expect(permits(['[2000::/3]:80'], '2001:db8::1')).toBe(false);
    expect(permits(['[2001::/23]:80'], '2001::1')).toBe(false);
    expect(permits(['240.0.0.0/4:80'], '255.255.255.255')).toBe(false);
    expect(permits(['192.0.0.0/16:80'], '192.0.2.1')).toBe(false);
  });

  // spec forwarding 3.6: "MUST be treated as the IPv4 address"
  it('is judged as IPv4 when it is IPv4-mapped, in targets, answers and rules', () => {
    const loopback = ['127.0.0.0/8:80'];
    expect(judge(['*:80'], '::ffff:127.0.0.1')).toEqual({ kind: 'addresses', addresses: ['127.0.0.1'] });
    expect(permits(['*:*', '[::/0]:*'], '::ffff:7f00:1')).toBe(false);
    expect(permits(['*:*', '[::/0]:*'], 'evil.example', '::ffff:127.0.0.1')).toBe(false);
    expect(permits(loopback, '::ffff:7f00:1')).toBe(true);
    expect(permits(['[::ffff:127.0.0.1]:80'], '127.0.0.1')).toBe(true);
    expect(judgeAddress(rules(...loopback), { host: '::ffff:7f00:1', port: 80 }, '::ffff:7f00:1')).toEqual({
      permitted: true,
      address: '127.0.0.1',
    });
  });

  // spec forwarding 3.6
  it('is permitted by a rule for localhost if it is one of the two loopback addresses', () => {
    const local = ['localhost:80'];
    expect(permits(local, 'localhost', '127.0.0.1')).toBe(true);
    expect(permits(local, 'localhost', '::1')).toBe(true);
    expect(permits(local, '127.0.0.1')).toBe(true);
    expect(permits(local, '127.0.0.2')).toBe(false);
    expect(permits(['127.0.0.1:80'], 'localhost', '127.0.0.1')).toBe(true);
    expect(permits(['127.0.0.1:80'], 'localhost', '::1')).toBe(false);
    expect(permits(['*:80', 'localhost:81'], 'localhost', '127.0.0.1')).toBe(false);
  });

  // spec forwarding 3.5
  it('of the relay itself is permitted only by a rule for exactly that address', () => {
    const own = () => ['192.0.43.8', '::ffff:192.0.43.9', 'fe80::1%eth0'];
    const verdict = (texts: string[], host: string, address = host) =>
      judgeAddresses(rules(...texts), { host, port: 80 }, [address], 1, own);
    expect(verdict(['*:80', '192.0.43.0/24:80'], '192.0.43.8')).toEqual({
      permitted: [],
      advice: expect.stringContaining('an address of the relay itself'),
    });
    expect(verdict(['evil.example:80'], 'evil.example', '192.0.43.9').permitted).toEqual([]);
    expect(verdict(['192.0.43.8:80'], '192.0.43.8').permitted).toEqual(['192.0.43.8']);
    expect(verdict(['*:80'], '192.0.43.10').permitted).toEqual(['192.0.43.10']);
  });

  it.each(['', 'example.com', '127.1', '1.2.3.4 ', 'fe80::1%eth0', '1.2.3.4/32'])(
    'is never %j, even if a resolver answers with it',
    (answer) => {
      expect(permits(['*:*', '0.0.0.0/0:*', '[::/0]:*'], 'example.com', answer)).toBe(false);
    },
  );

  it('says which rule would allow it', () => {
    const advice = (texts: string[], host: string, address = host) => {
      const verdict = judgeAddress(rules(...texts), { host, port: 80 }, address);
      return verdict.permitted ? '' : verdict.advice;
    };
    expect(advice(['*:80'], 'evil.example', '127.0.0.1')).toBe(
      'evil.example resolves to 127.0.0.1, which is a loopback address and needs an address rule within that block; to allow it, add the rule 127.0.0.1:80',
    );
    for (const host of ['localhost', 'LocalHost.']) {
      expect(advice([], host, '127.0.0.1')).toBe(
        'no rule allows localhost:80; to allow it, add the rule localhost:80',
      );
    }
    expect(advice(['*:80'], '::1')).toContain('to allow it, add the rule [::1]:80');
    expect(advice([], '192.0.43.8')).toBe(
      'no rule allows 192.0.43.8:80; to allow it, add the rule 192.0.43.8:80',
    );
    for (const address of ['192.0.43.8', '10.1.2.3']) {
      expect(advice(['10.0.0.0/8:80'], 'A.Example.', address)).toBe(
        'no rule allows a.example:80; to allow it, add the rule a.example:80',
      );
    }
  });
});

describe('the addresses of a name', () => {
  it('are judged until enough are permitted, and the own addresses are read once', () => {
    let reads = 0;
    const own = () => {
      reads++;
      return ['192.0.43.0'];
    };
    const answer = Array.from({ length: 100 }, (_, index) => `192.0.43.${index}`);
    const target = { host: 'example.com', port: 80 };
    const { permitted } = judgeAddresses(rules('example.com:80'), target, answer, 3, own);
    expect(permitted).toEqual(['192.0.43.1', '192.0.43.2', '192.0.43.3']);
    expect(reads).toBe(1);
  });

  it('are refused with the reason of the first if none is permitted', () => {
    const target = { host: 'example.com', port: 80 };
    expect(
      judgeAddresses(rules('example.com:80'), target, ['10.0.0.1', '127.0.0.1'], 6, () => []),
    ).toMatchObject({ permitted: [], advice: expect.stringContaining('add the rule 10.0.0.1:80') });
  });
});

describe('for any rules and targets', () => {
  const address = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.constantFrom(
      '127.0.0.1',
      '10.0.0.1',
      '::1',
      '169.254.169.254',
      'fd00::1',
      '::ffff:10.0.0.1',
      '2600::1',
    ),
  );
  const ruleText = fc.oneof(
    fc.constantFrom(
      '*:*',
      '*:80',
      'localhost:*',
      'example.com:80',
      '*.example.com:*',
      '0.0.0.0/0:*',
      '[::/0]:*',
    ),
    fc.constantFrom(
      '10.0.0.0/8:80',
      '127.0.0.0/8:*',
      '[fc00::/7]:80',
      '[::1]:*',
      '64.0.0.0/2:*',
      '[2000::/3]:80',
    ),
    fc.ipV4().map((text) => `${text}:80`),
  );
  const host = fc.oneof(fc.constantFrom('example.com', 'a.example.com', 'localhost', 'x.example'), address);
  const port = fc.constantFrom(80, 443);

  it('every permitted special-purpose address has an address rule inside its block', () => {
    fc.assert(
      fc.property(fc.array(ruleText, { maxLength: 5 }), host, address, port, (texts, name, resolved, at) => {
        const list = rules(...texts);
        if (!judgeAddress(list, { host: name, port: at }, resolved).permitted) return;
        const parsed = parseAddress(resolved);
        const block = parsed && specialBlockOf(parsed);
        if (parsed === undefined || block === undefined) return;
        const inside = list.some(
          ({ match }) =>
            match.kind === 'networks' &&
            match.networks.some((network) => network.prefixBits >= block.prefixBits),
        );
        expect(inside).toBe(true);
      }),
      { numRuns: 5000 },
    );
  });

  it('more rules never permit less', () => {
    fc.assert(
      fc.property(
        fc.array(ruleText, { maxLength: 4 }),
        ruleText,
        host,
        address,
        (texts, extra, name, resolved) => {
          const target = { host: name, port: 80 };
          const before = judgeAddress(rules(...texts), target, resolved).permitted;
          if (before) expect(judgeAddress(rules(...texts, extra), target, resolved).permitted).toBe(true);
        },
      ),
    );
  });

  it('adding the suggested rules, one for the name and one for the address, permits the target', () => {
    fc.assert(
      fc.property(fc.array(ruleText, { maxLength: 3 }), host, address, port, (texts, name, resolved, at) => {
        const target = { host: name, port: at };
        const list = [...texts];
        for (let added = 0; added < 2; added++) {
          const verdict = judgeAddress(rules(...list), target, resolved);
          if (verdict.permitted) return;
          list.push(/add the rule (\S+)/.exec(verdict.advice)?.[1] ?? '');
        }
        expect(judgeAddress(rules(...list), target, resolved).permitted).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it('agrees with an independent table of special-purpose addresses', () => {
    fc.assert(
      fc.property(address, (text) => {
        const parsed = parseAddress(text);
        if (parsed === undefined) throw new Error(text);
        if (ipaddr.process(text).range() !== 'unicast') expect(specialBlockOf(parsed)).toBeDefined();
      }),
      { numRuns: 20_000 },
    );
  });

  it('agrees with that table at the edges of every block', () => {
    const tables = [ipaddr.IPv4, ipaddr.IPv6].map(
      (family) => (family.prototype as unknown as { SpecialRanges: Record<string, unknown[]> }).SpecialRanges,
    );
    let checked = 0;
    for (const ranges of tables.flatMap((table) => Object.entries(table))) {
      const [name, blocks] = ranges;
      if (name === 'ipv4Mapped') continue;
      for (const [base, bits] of (Array.isArray(blocks[0]) ? blocks : [blocks]) as [ipaddr.IPv6, number][]) {
        const bytes = base.toByteArray();
        const last = bytes.map((byte, i) => byte | (0xff >> Math.min(Math.max(bits - i * 8, 0), 8)));
        expect(specialBlockOf(ipaddr.fromByteArray(bytes)), `${name} first`).toBeDefined();
        expect(specialBlockOf(ipaddr.fromByteArray(last)), `${name} last`).toBeDefined();
        checked++;
      }
    }
    expect(checked).toBeGreaterThan(30);
  });
});

// spec reverse 5
describe('a target that the user has chosen', () => {
  const choose = (host: string) => judgeTarget('own-choice', { host, port: 80 });

  it('needs no rule', () => {
    expect(choose('db.internal')).toEqual({ kind: 'lookup', name: 'db.internal' });
    expect(choose('10.0.0.1')).toEqual({ kind: 'addresses', addresses: ['10.0.0.1'] });
    expect(refuseUnixTarget('own-choice', { path: '/run/a.sock' })).toBeUndefined();
    const target = { host: 'db.internal', port: 80 };
    const judged = judgeAddresses('own-choice', target, ['10.0.0.1', 'fe80::1', '127.0.0.1'], 2, () => []);
    expect(judged).toEqual({ permitted: ['10.0.0.1', 'fe80::1'], advice: '' });
  });

  it('has to be one all the same', () => {
    expect(choose('127.1')).toMatchObject({ kind: 'refused' });
    expect(choose('localhost')).toEqual({ kind: 'addresses', addresses: ['127.0.0.1', '::1'] });
    expect(judgeAddress('own-choice', { host: 'db.internal', port: 80 }, 'nonsense')).toEqual({
      permitted: false,
      advice: "db.internal:80: 'nonsense' is not a valid address",
    });
  });
});

it('a unix socket is permitted by a rule with exactly its path (spec forwarding 3.7)', () => {
  const allow = rules('unix:/run/a.sock', '*:*');
  expect(refuseUnixTarget(allow, { path: '/run/a.sock' })).toBeUndefined();
  for (const path of ['/run/a', '/run/a.sock2', '/run/b.sock']) {
    expect(refuseUnixTarget(allow, { path })).toBe(
      `no rule allows unix:${path}; to allow it, add the rule unix:${path}`,
    );
  }
});
