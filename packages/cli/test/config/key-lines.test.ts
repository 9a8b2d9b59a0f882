import fc from 'fast-check';
import { parse, stringify } from 'smol-toml';
import { describe, expect, it } from 'vitest';
import { KeyLines, type KeyPath } from '../../src/config/key-lines.js';

const DOCUMENT = `# a comment with = and [brackets]
listen = "0.0.0.0:51820"   # [not] = "a table"
private_key_file = 'C:\\keys'

[log]
level = "info"
[a."b.c".d]
e.f = 1979-05-27 07:32:00

[[peer]]
name = """
two lines, "quoted" \\
and more"""
allow = [
  "one:1", # first
  "two:2",

  { host = "x", ports = [1,
    2] },
]
[[peer]]
"public_key" = "…"
[[peer.sub]]
deep = true
`;

/** Rare spellings that the parser accepts. */
const UNUSUAL = [
  'empty = [ ]', // 1
  "literal = '''", // 2
  'a \\',
  "it''s'''''", // 4: two quotes, then the end
  'quotes = """""two"""""', // 5
  'escaped = "\\\\" # "not open"', // 6
  'joined = """\\', // 7
  '  text \\"""\\',
  '"""',
  'a\t.\t\'b"c\' . "\\u0064\\"" = 1', // 10
  'table = { x = 1, y = { z = [[1], [2, 3]] }, w = "}" }\r', // 11
  'list = [1,2', // 12
  ', "a,]" # ]',
  ', 3]',
  '\t[ spaced . out ]\t# comment', // 15
  'last = true', // 16
].join('\n');

describe('the lines of a document', () => {
  it.each<[number, KeyPath]>([
    [1, ['empty']],
    [2, ['literal']],
    [5, ['quotes']],
    [6, ['escaped']],
    [7, ['joined']],
    [10, ['a', 'b"c', 'd"']],
    [11, ['table', 'x']],
    [11, ['table', 'y', 'z', 1, 1]],
    [11, ['table', 'w']],
    [12, ['list', 1]],
    [13, ['list', 2]],
    [14, ['list', 3]],
    [15, ['spaced', 'out']],
    [16, ['spaced', 'out', 'last']],
  ])('are %i for %j where strings, lists and keys are written unusually', (line, path) => {
    const value = path.reduce<unknown>(
      (at, key) => (at as Record<PropertyKey, unknown>)[key],
      parse(UNUSUAL),
    );
    expect(value).toBeDefined();
    // Nothing above the key answers for it.
    const lines = new KeyLines(UNUSUAL);
    expect(lines.lineOf(path)).toBe(line);
    expect(lines.lineOf([...path, 'missing'])).toBe(line);
  });

  it.each<[number, KeyPath]>([
    [2, ['listen']],
    [3, ['private_key_file']],
    [5, ['log']],
    [6, ['log', 'level']],
    [7, ['a', 'b.c', 'd']],
    [8, ['a', 'b.c', 'd', 'e', 'f']],
    [10, ['peer', 0]],
    [11, ['peer', 0, 'name']],
    [14, ['peer', 0, 'allow']],
    [15, ['peer', 0, 'allow', 0]],
    [16, ['peer', 0, 'allow', 1]],
    [18, ['peer', 0, 'allow', 2]],
    [18, ['peer', 0, 'allow', 2, 'ports', 0]],
    [19, ['peer', 0, 'allow', 2, 'ports', 1]],
    [21, ['peer', 1]],
    [22, ['peer', 1, 'public_key']],
    [23, ['peer', 1, 'sub', 0]],
    [24, ['peer', 1, 'sub', 0, 'deep']],
  ])('are %i for %j', (line, path) => {
    expect(() => parse(DOCUMENT)).not.toThrow();
    expect(new KeyLines(DOCUMENT).lineOf(path)).toBe(line);
  });

  it('have a missing key on the line of the table around it', () => {
    const lines = new KeyLines(DOCUMENT);
    expect(lines.lineOf(['peer', 1, 'allow'])).toBe(21);
    expect(lines.lineOf(['endpoint'])).toBe(1);
  });

  it('are computed for any text, valid or not', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'[]{}="\'#.,\\\n \tab1') }), (text) => {
        expect(new KeyLines(text).lineOf(['a'])).toBeGreaterThan(0);
      }),
      { numRuns: 2000 },
    );
  });

  it('include every key of a generated document, each on a line that contains it', () => {
    const key = fc.string({ unit: fc.constantFrom(...'ab_. "=#'), minLength: 1, maxLength: 5 });
    const value = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.array(fc.string()));
    const tables = fc.array(fc.dictionary(key, value, { minKeys: 1, noNullPrototype: true }), {
      minLength: 1,
      maxLength: 3,
    });
    fc.assert(
      fc.property(tables, (list) => {
        const text = stringify({ list });
        const written = text.split('\n');
        const lines = new KeyLines(text);
        for (const [index, table] of list.entries()) {
          for (const name of Object.keys(table)) {
            const line = written[lines.lineOf(['list', index, name]) - 1] ?? '';
            expect(Object.keys(parse(line))).toEqual([name]);
          }
        }
      }),
    );
  });
});
