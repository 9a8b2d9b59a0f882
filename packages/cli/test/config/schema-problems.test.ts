import { expect, it, describe as suite } from 'vitest';
import * as z from 'zod/mini';
import { describe, schemaProblems, valueAt } from '../../src/config/schema-problems.js';
import { parseTomlDocument } from '../../src/config/toml-document.js';
import { encodeKey } from '../../src/key-text.js';

const KEY = encodeKey(new Uint8Array(32).fill(0x48));

suite('a value in a message', () => {
  it.each<[string, unknown, string]>([
    ['nothing', undefined, 'nothing'],
    ['a text', 'say "hi"', '"say \\"hi\\""'],
    ['a text of 48 characters', 'x'.repeat(48), `"${'x'.repeat(48)}"`],
    ['a longer text, which is cut', 'x'.repeat(49), `"${'x'.repeat(48)}…"`],
    ['a key, which is not shown', KEY, '44 characters that look like a key (not shown)'],
    ['a key with blanks around it', ` ${KEY}\n`, '44 characters that look like a key (not shown)'],
    ['an empty list', [], 'an empty list'],
    ['a list', ['a', 'b'], 'a list of 2'],
    ['a date', new Date(0), 'a date'],
    ['a table', {}, 'a table'],
    ['a number', 2.5, '2.5'],
    ['a truth value', false, 'false'],
  ])('is %s', (_what, value, text) => {
    expect(describe(value)).toBe(text);
  });
});

it('a path leads to a value, or to nothing where there is no table', () => {
  const value = { peer: [{ name: 'a' }], log: null, listen: '1' };
  const at = (...path: readonly (string | number)[]) => valueAt(value, path);
  expect([at(), at('peer', 0, 'name'), at('peer', 1, 'name'), at('log', 'level')]).toEqual([
    value,
    'a',
    undefined,
    undefined,
  ]);
  expect(at('listen', 'length')).toBeUndefined();
});

suite('an unknown key', () => {
  const schema = z.strictObject({
    private_key_file: z.optional(z.string()),
    public_key: z.optional(z.string()),
    peer: z.optional(z.array(z.strictObject({ name: z.optional(z.string()), mtu: z.optional(z.string()) }))),
    log: z.optional(z.strictObject({ level: z.optional(z.string()) })),
  });
  const textOf = (text: string) => {
    const document = parseTomlDocument('a.toml', text);
    const { error } = schema.safeParse(document.value);
    return schemaProblems(document, schema, error?.issues ?? []).map(
      ({ line, text: problem }) => `${line} ${problem}`,
    );
  };

  it.each<[string, string, string]>([
    [
      'that holds a key, where a path belongs',
      `private_key = "${KEY}"`,
      '1 private_key: unknown key; did you mean private_key_file? Put the key into a file of its own, and the path of that file here.',
    ],
    [
      'that holds a path',
      'private_key = "relay.key"',
      '1 private_key: unknown key; did you mean private_key_file?',
    ],
    [
      'that holds a key, where a key belongs',
      `public_keys = "${KEY}"`,
      '1 public_keys: unknown key; did you mean public_key?',
    ],
    [
      'that holds a number, where a path belongs',
      'private_key = 1',
      '1 private_key: unknown key; did you mean private_key_file?',
    ],
    ['for a list of tables', '[[peers]]\nname = "a"', '1 [[peers]]: unknown key; did you mean [[peer]]?'],
    ['for an empty list', 'peers = []', '1 peers: unknown key; did you mean peer?'],
    ['for a list of texts', 'peers = ["a"]', '1 peers: unknown key; did you mean peer?'],
    ['for a table', '[logs]\nlevel = "a"', '1 logs: unknown key; did you mean log?'],
    ['in a table', '[log]\n\nlevle = "a"', '3 log.levle: unknown key; did you mean level?'],
    [
      'in a list of tables',
      '[[peer]]\nname = "a"\n[[peer]]\nxyz = 1',
      '4 peer.xyz: unknown key; known keys: name, mtu',
    ],
    [
      'in a list of tables, which is a list of tables itself',
      '[[peer]]\n[[peer.names]]\nx = 1',
      '2 [[peer.names]]: unknown key; did you mean [[name]]?',
    ],
  ])('%s', (_what, text, problem) => {
    expect(textOf(text)).toEqual([problem]);
  });
});
