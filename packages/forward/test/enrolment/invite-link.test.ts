import { createHash, randomBytes } from 'node:crypto';
import { canSearchMemory, copiesInMemory, keyToLookFor, moveYoungObjects } from '@underpass/testkit/crypto';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import {
  formatInviteLink,
  type InviteLink,
  looksLikeInviteLink,
  MAX_LINK_CHARACTERS,
  parseInviteLink,
  withoutInviteLinks,
} from '../../src/enrolment/invite-link.js';

const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 });
const host = fc.constantFrom('relay.example.org', '192.0.2.1', '2001:db8::1', 'localhost', 'a_b-c.example.');
const link: fc.Arbitrary<InviteLink> = fc.record({
  endpoint: fc.record({ host, port: fc.integer({ min: 1, max: 65_535 }) }),
  relayPublicKey: bytes,
  secret: bytes,
});

const KNOWN: InviteLink = {
  endpoint: { host: 'relay.example.org', port: 51_820 },
  relayPublicKey: Uint8Array.from({ length: 32 }, (_, i) => i),
  secret: Uint8Array.from({ length: 32 }, (_, i) => 255 - i),
};
const KNOWN_TEXT =
  'underpass://relay.example.org:51820/AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f__79_Pv6-fj39vX08_Lx8O_u7ezr6uno5-bl5OPi4eDCA8Z2';

describe('an invite link (spec enrolment 1.1)', () => {
  it('has the known form', () => {
    expect(formatInviteLink(KNOWN)).toBe(KNOWN_TEXT);
    expect(parseInviteLink(KNOWN_TEXT)).toEqual(KNOWN);
  });

  it('is parsed to what was formatted', () => {
    fc.assert(
      fc.property(link, (wanted) => {
        expect(parseInviteLink(formatInviteLink(wanted))).toEqual(wanted);
      }),
    );
  });

  it('may have white space anywhere (spec enrolment 1.2: "MUST ignore white space")', () => {
    const broken = KNOWN_TEXT.replace(/.{20}/g, '$&\r\n  ');
    expect(parseInviteLink(`\n${broken}\t`)).toEqual(KNOWN);
  });

  it('is at most as long as the longest host name allows', () => {
    const label = 'a'.repeat(63);
    const longest = `${label}.${label}.${label}.${'a'.repeat(61)}`;
    const text = formatInviteLink({ ...KNOWN, endpoint: { host: longest, port: 65_535 } });
    expect(text.length).toBeLessThanOrEqual(MAX_LINK_CHARACTERS);
    expect(parseInviteLink(text)).toMatchObject({ endpoint: { host: longest } });
    expect(parseInviteLink(text.padEnd(MAX_LINK_CHARACTERS + 1, 'A'))).toBe('not-a-link');
  });

  it('cannot be made for something that is not an endpoint', () => {
    for (const endpoint of [
      { host: 'a b', port: 1 },
      { host: '127.1', port: 1 },
      { host: 'a', port: 0 },
      { host: 'a/b', port: 1 },
    ])
      expect(() => formatInviteLink({ ...KNOWN, endpoint })).toThrow(RangeError);
  });
});

describe('a damaged link (spec enrolment 1.2: "MUST refuse a link")', () => {
  it('is recognised at every truncation', () => {
    for (const text of [KNOWN_TEXT, formatInviteLink({ ...KNOWN, endpoint: { host: '::1', port: 9 } })]) {
      for (let length = 0; length < text.length; length++) {
        const expected = length < 'underpass://'.length ? 'not-a-link' : 'truncated';
        expect(parseInviteLink(text.slice(0, length))).toBe(expected);
      }
    }
  });

  it('is recognised when its start is missing', () => {
    for (let length = 1; length < KNOWN_TEXT.length; length++) {
      expect(parseInviteLink(KNOWN_TEXT.slice(length))).toBe('not-a-link');
    }
  });

  it('is recognised at every change of a single character', () => {
    const characters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:/[]=+%é ';
    for (let at = 0; at < KNOWN_TEXT.length; at++) {
      for (const character of characters) {
        if (character === KNOWN_TEXT[at]) continue;
        const changed = KNOWN_TEXT.slice(0, at) + character + KNOWN_TEXT.slice(at + 1);
        expect(typeof parseInviteLink(changed), `${at}: ${character}`).toBe('string');
      }
    }
  });

  it('is recognised when characters are swapped, doubled or left out', () => {
    for (let at = 0; at + 1 < KNOWN_TEXT.length; at++) {
      const [before, one, two, after] = [
        KNOWN_TEXT.slice(0, at),
        KNOWN_TEXT[at] as string,
        KNOWN_TEXT[at + 1] as string,
        KNOWN_TEXT.slice(at + 2),
      ];
      if (one !== two) expect(typeof parseInviteLink(before + two + one + after)).toBe('string');
      expect(typeof parseInviteLink(before + one + one + two + after)).toBe('string');
      expect(typeof parseInviteLink(before + two + after)).toBe('string');
    }
  });

  it('is recognised when something follows it', () => {
    for (const rest of ['A', 'Ag', 'Agg', 'Aggg', '.', '/', '=', ')', '"']) {
      expect(typeof parseInviteLink(KNOWN_TEXT + rest), rest).toBe('string');
    }
  });

  it('is recognised when it is written with the other digits of base64, or goes on behind its data', () => {
    const inPlainBase64 = KNOWN_TEXT.replaceAll('_', '/').replaceAll('-', '+');
    expect(KNOWN_TEXT).toMatch(/_.*-|-.*_/);
    for (const text of [inPlainBase64, KNOWN_TEXT.replaceAll('-', '+'), `${KNOWN_TEXT}/`, `${KNOWN_TEXT}/a`])
      expect(parseInviteLink(text)).toBe('altered');
  });

  it('is recognised when its endpoint is none, although its checksum is right', () => {
    const linkTo = (endpoint: string): string => {
      const start = `underpass://${endpoint}/`;
      const data = Buffer.from(KNOWN_TEXT.split('/').at(-1) ?? '', 'base64url');
      const hash = createHash('sha256').update(start).update(data.subarray(0, -4)).digest();
      data.set(hash.subarray(0, 4), data.length - 4);
      return start + data.toString('base64url');
    };
    expect(linkTo('relay.example.org:51820')).toBe(KNOWN_TEXT);
    expect(parseInviteLink(linkTo('[::1]:1'))).toMatchObject({ endpoint: { host: '::1', port: 1 } });
    for (const endpoint of [
      'relay.example',
      '',
      ':1',
      'a:0',
      'a:65536',
      '[a]:1',
      '::1:1',
      '127.1:1',
      '[::1:1',
    ])
      expect([endpoint, parseInviteLink(linkTo(endpoint))]).toEqual([endpoint, 'altered']);
  });

  it('is not looked at if it is longer than any link', () => {
    const start = 'underpass://';
    const longest = `${start}${'a'.repeat(MAX_LINK_CHARACTERS - start.length)}`;
    expect(parseInviteLink(longest)).toBe('truncated');
    expect(parseInviteLink(`${longest}a`)).toBe('not-a-link');
  });

  it('gives a reason for any text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(typeof parseInviteLink(text)).toBe('string');
      }),
    );
    fc.assert(
      fc.property(fc.string(), fc.string(), (a, b) => {
        expect(typeof parseInviteLink(`underpass://${a}/${b}`)).toBe('string');
      }),
    );
  });

  it('of a later version is told apart from a damaged one (spec enrolment 1.2: "MUST say that the program is too old")', () => {
    const start = 'underpass://relay.example.org:51820/';
    for (const length of [69, 90]) {
      const data = Buffer.alloc(length, 7);
      data[0] = 2;
      const hash = createHash('sha256').update(start).update(data.subarray(0, -4)).digest();
      data.set(hash.subarray(0, 4), length - 4);
      expect(parseInviteLink(start + data.toString('base64url'))).toBe('version');
      data[1] = 8;
      expect(parseInviteLink(start + data.toString('base64url'))).toBe('altered');
    }
  });
});

describe('the secret of a link (spec enrolment 1.2: "MUST NOT print the data of a link")', () => {
  it('is removed from messages', () => {
    expect(withoutInviteLinks(`two: ${KNOWN_TEXT}, ${KNOWN_TEXT.slice(0, -30)}!`)).toBe(
      'two: underpass://relay.example.org:51820/(not shown), underpass://relay.example.org:51820/(not shown)!',
    );
    expect(withoutInviteLinks('nothing here')).toBe('nothing here');
  });

  it.each([
    ['a damaged scheme', KNOWN_TEXT.replace('underpass:', 'undrepass:')],
    ['no scheme', KNOWN_TEXT.slice('underpass://'.length)],
    ['nothing before it', KNOWN_TEXT.slice(KNOWN_TEXT.lastIndexOf('/') + 1)],
    ['nothing before it, and its end missing', KNOWN_TEXT.slice(KNOWN_TEXT.lastIndexOf('/') + 1, -26)],
  ])('is removed although the link has %s', (_, text) => {
    const shown = withoutInviteLinks(`'${text}' is not a name`);
    expect(shown).toContain("(not shown)' is not a name");
    expect(shown).not.toContain('GhscHR4f');
  });

  it('is not suspected in names and paths', () => {
    for (const text of [
      'aB3'.repeat(21),
      'a'.repeat(80),
      `/tmp/${'very-long-name-4'.repeat(8)}/Relay.toml`,
    ]) {
      expect(withoutInviteLinks(text)).toBe(text);
    }
  });

  it('stays nowhere but in the link, and in what is read of it', () => {
    const held: Buffer[] = [];
    const { alloc, from } = Buffer;
    const noting = (call: (...parameters: never[]) => Buffer) =>
      ((...parameters: never[]) => {
        const made = call(...parameters);
        held.push(made);
        return made;
      }) as never;
    vi.spyOn(Buffer, 'alloc').mockImplementation(noting(alloc.bind(Buffer)));
    vi.spyOn(Buffer, 'from').mockImplementation(noting(from.bind(Buffer)));
    const damaged = KNOWN_TEXT.replace('AQAB', 'AQAC');
    const outcomes = [formatInviteLink(KNOWN), parseInviteLink(KNOWN_TEXT), parseInviteLink(damaged)];
    vi.restoreAllMocks();
    expect(outcomes).toEqual([KNOWN_TEXT, KNOWN, 'altered']);
    expect(held.length).toBeGreaterThanOrEqual(3);
    for (const data of held) expect(data.every((byte) => byte === 0)).toBe(true);
  });

  it('is recognised even in a damaged link', () => {
    expect(looksLikeInviteLink(KNOWN_TEXT.toUpperCase())).toBe(true);
    expect(looksLikeInviteLink('vps')).toBe(false);
  });
});

it.skipIf(!canSearchMemory)('the secret of a link that was read can be wiped', () => {
  const secret = randomBytes(32);
  const key = keyToLookFor(secret);
  const parsed = parseInviteLink(formatInviteLink({ ...KNOWN, secret }));
  secret.fill(0);
  moveYoungObjects();
  expect(copiesInMemory(key)).toBeGreaterThan(0);
  if (typeof parsed === 'string') throw new Error(parsed);
  parsed.secret.fill(0);
  expect(copiesInMemory(key)).toBe(0);
});
