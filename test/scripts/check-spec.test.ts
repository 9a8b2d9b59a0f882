import { describe, expect, it } from 'vitest';
import { plant, runScript } from './planted-tree.js';

const PAGE = `# Page

## 1. First

### 1.1 Part

It MUST begin.

### 1.2 Part

Why: see above. It MUST end. Nothing follows.

### 1.3 Part

A sender MUST _send
one_. It MUST NOT send another one (RFC 1 §2.3). It is told.

## 2. Second

It MAY.
`;
const PROOFS = '// spec page 1.1 to 1.2\n// spec page 1.3: "send one", "another one"\n';

function check(files: Readonly<Record<string, string>>, ...options: readonly string[]) {
  return runScript('check-spec.mjs', plant({ 'docs/spec/page.md': PAGE, ...files }), ...options);
}

describe('the check of citations', () => {
  it('passes sections and files that exist', () => {
    const result = check({
      'test/proofs.test.ts': PROOFS,
      'packages/a/src/b.ts': '// spec page 1.1\n// (spec page 1, 2)\n// spec page 1.1 to 2\n',
      'docs/other.md':
        'See [the page](spec/page.md#1-first) (page §1.1) and [elsewhere](https://example.com/).\n',
    });
    expect(result).toMatchObject({ code: 0, complaints: [] });
  });

  it.each([
    ['packages/a/src/b.ts', '// spec page 1.4\n', 'packages/a/src/b.ts:1: spec page has no section 1.4'],
    ['test/b.test.ts', '\n// spec nothing 1\n', 'test/b.test.ts:2: spec nothing 1: there is no'],
    ['docs/other.md', '[the page](spec/gone.md)\n', 'docs/other.md:1: link to spec/gone.md'],
    ['docs/other.md', '[the page](spec/page.md) §3\n', 'docs/other.md:1: spec page has no section 3'],
    ['docs/other.md', '[the page](spec/page.md#1-last)\n', 'spec/page.md#1-last: no such heading'],
    ['README.md', '[docs](docs/gone.md)\n', 'README.md:1: link to docs/gone.md'],
  ])('fails on %s with %j', (file, text, complaint) => {
    const { code, complaints } = check({ 'test/proofs.test.ts': PROOFS, [file]: text });
    expect(code).toBe(1);
    expect(complaints).toEqual([expect.stringContaining(complaint)]);
  });

  describe('for each sentence with a MUST', () => {
    const fails = (test: string) => {
      const { code, complaints } = check({ 'packages/a/test/b.test.ts': test });
      expect(code).toBe(complaints.length === 0 ? 0 : 1);
      return complaints;
    };
    it('asks for a test that cites the section', () => {
      expect(fails('// spec page 1.1\n// spec page 1.3: "send one", "another one"\n')).toEqual([
        expect.stringMatching(/docs\/spec\/page\.md: no test proves .* spec page 1\.2: .*: It MUST end\.$/),
      ]);
      expect(check({ 'packages/a/src/b.ts': PROOFS }).complaints).toHaveLength(4);
    });

    it('is content with a range of sections, and with the section alone where it has one such sentence', () => {
      expect(fails(PROOFS)).toEqual([]);
    });

    it('asks for its words where the section has several', () => {
      expect(fails('// spec page 1.1 to 1.3\n')).toHaveLength(2);
      expect(fails('// spec page 1.1 to 1.3: "send one"\n')).toEqual([
        expect.stringContaining('It MUST NOT send another one (RFC 1 §2.3).'),
      ]);
    });

    it('finds the words across line ends and emphasis, in titles and comments', () => {
      const wrapped =
        '// spec page 1.3: "MUST\n//   send one"\nit(\'x (spec page 1.3: "NOT send another")\')\n';
      expect(fails(`// spec page 1.1, 1.2\n${wrapped}`)).toEqual([]);
    });

    it('refuses words that the section does not have', () => {
      expect(fails(`${PROOFS}// spec page 1.1: "send one"\n`)).toEqual([
        'packages/a/test/b.test.ts:3: spec page 1.1 does not say "send one"',
      ]);
    });

    it('lists the tests that prove it', () => {
      const output = check({ 'packages/a/test/b.test.ts': PROOFS }, '--list').output;
      expect(output).toContain(
        'spec page 1.3: A sender MUST send one.\n    packages/a/test/b.test.ts:2\nspec page 1.3: It MUST NOT',
      );
    });
  });
});
