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

describe('the lines of a document', () => {
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
