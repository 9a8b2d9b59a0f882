/** Which values the options take, and what is said about others. What a forward or a rule may be is tested with its
 *  parser. */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  allowValue,
  connectTimeoutValue,
  dynamicForwardValue,
  expiresValue,
  fileOption,
  hostPortValue,
  inspectOption,
  keepaliveValue,
  listenValue,
  localForwardValue,
  publicKeyValue,
  reverseForwardValue,
  udpForwardValue,
  waitValue,
  workersOption,
} from '../../src/commands/option-values.js';
import { encodeKey } from '../../src/key-text.js';
import { temporaryDirectory } from '../temporary-directory.js';

const DAY_MS = 86_400_000;

interface Row {
  readonly of: string;
  readonly parse: ((text: string) => unknown) | undefined;
  /** Texts with their values, the smallest and the largest among them. */
  readonly takes: readonly (readonly [string, unknown])[];
  readonly refuses: readonly string[];
  readonly message: string;
}

const ROWS: readonly Row[] = [
  {
    of: '--listen',
    parse: listenValue,
    takes: [['51820', { port: 51_820 }]],
    refuses: ['65536', 'x'],
    message: 'Expected PORT or HOST:PORT, IPv6 in brackets',
  },
  {
    of: '--endpoint',
    parse: hostPortValue,
    takes: [['[::1]:443', { host: '::1', port: 443 }]],
    refuses: ['443', '::1:443'],
    message: 'Expected HOST:PORT, IPv6 in brackets',
  },
  {
    of: '--keepalive',
    parse: keepaliveValue,
    takes: [
      ['0', 0],
      ['65535', 65_535],
    ],
    refuses: ['65536', '-1', '1.5', '', '0x10'],
    message: 'Expected whole seconds from 0 (off) to 65535',
  },
  {
    of: '--connect-timeout',
    parse: connectTimeoutValue,
    takes: [
      ['0', 0],
      ['86400', 86_400],
    ],
    refuses: ['86401', '-1', '1.5', '', '1e3'],
    message: 'Expected whole seconds from 0 (never) to 86400',
  },
  {
    of: '--wait',
    parse: waitValue,
    takes: [
      ['1', 1],
      ['999', 999],
    ],
    refuses: ['0', '1000', '1.5', '', ' 1'],
    message: 'Expected whole seconds from 1 to 999',
  },
  {
    of: '--expires',
    parse: expiresValue,
    takes: [
      ['1m', 60_000],
      ['24h', DAY_MS],
      ['30d', 30 * DAY_MS],
    ],
    refuses: ['31d', '43201m', '0m', '60', 'soon'],
    message: 'Expected a time from 1m to 30d, as in 90m, 24h or 7d',
  },
  {
    of: '--workers',
    parse: (text) => workersOption().parseArg?.(text, undefined),
    takes: [
      ['1', 1],
      ['8', 8],
    ],
    refuses: ['0', '9', '1.5', ''],
    message: 'Expected a number of processes from 1 to 8',
  },
  {
    of: '--inspect',
    parse: (text) => inspectOption().parseArg?.(text, undefined),
    takes: [
      ['0', 0],
      ['65535', 65_535],
    ],
    refuses: ['65536', '-1', '', 'client.toml'],
    message: 'Expected a port. Without one, write --inspect last, or --inspect=0',
  },
];

describe('the value of', () => {
  it.each(ROWS.map((row) => [row.of, row] as const))(
    '%s is within its limits',
    (_, { parse, takes, refuses, message }) => {
      for (const [text, value] of takes) expect(parse?.(text)).toEqual(value);
      for (const text of refuses) expect(() => parse?.(text)).toThrow(expect.objectContaining({ message }));
    },
  );

  it.each<[string, (text: string, previous?: never) => readonly { readonly text: string }[], string, string]>(
    [
      ['-L', localForwardValue, '8080:web:80', '8081:web:80'],
      ['-R', reverseForwardValue, '8080:web:80', '8081:web:80'],
      ['-D', dynamicForwardValue, '1080', '1081'],
      ['-U', udpForwardValue, '53:dns:53', '54:dns:53'],
      ['--allow', allowValue, 'web:80', 'db:1'],
    ],
  )('%s may be given again, and then adds to the one before', (_, parse, first, second) => {
    const one = parse(first);
    const both = parse(second, one as never);
    expect(one.map(({ text }) => text)).toEqual([first]);
    expect(both.map(({ text }) => text)).toEqual([first, second]);
  });

  it('--relay-key is a key, and one that is not may be a secret: it is not shown', () => {
    const key = randomBytes(32);
    expect(publicKeyValue(encodeKey(key))).toEqual(new Uint8Array(key));
    expect(() => publicKeyValue(encodeKey(key).slice(1))).toThrow(
      expect.objectContaining({
        message: '--relay-key is not a public key',
        hint: 'expected 44 characters of base64, as underpass pubkey prints them',
      }),
    );
  });
});

describe('an option that takes the path of a file', () => {
  const read = (text: string): unknown =>
    fileOption('--key <file>', 'a key file', '').parseArg?.(text, undefined);
  const key = encodeKey(randomBytes(32));
  const refusal = expect.objectContaining({
    message: '--key expects the path of a key file, but got what looks like a key',
    hint: 'other users could see that key: make a new one',
  });

  it.each([
    ['a key', key],
    ['a key with space around it', ` ${key}\n`],
    ['a key of which a digit is missing', `${'A'.repeat(42)}=`],
  ])('refuses %s', (_, text) => {
    expect(() => read(text)).toThrow(refusal);
  });

  it('takes a path that could be a key if it exists or starts as a path', () => {
    const name = 'a'.repeat(42);
    expect(() => read(name)).toThrow(refusal);
    const before = process.cwd();
    const directory = temporaryDirectory();
    writeFileSync(path.join(directory, name), '');
    process.chdir(directory);
    try {
      expect(read(name)).toBe(name);
    } finally {
      process.chdir(before);
    }
    expect(read(`/${name}`)).toBe(`/${name}`);
    expect(read('client.key')).toBe('client.key');
  });
});
