import { describe, expect, it } from 'vitest';
import { plant, runScript } from './planted-tree.js';

const PAGE =
  '# Page\n\n## 1. First\n\n### 1.1 Part\n\nMUST\n\n### 1.2 Part\n\nMUST\n\n### 1.3 Part\n\nMUST\n\n## 2. Second\n\nMAY\n';

function check(files: Readonly<Record<string, string>>) {
  return runScript('check-spec.mjs', plant({ 'docs/spec/page.md': PAGE, ...files }));
}

describe('the check of citations', () => {
  it('passes sections and files that exist', () => {
    const result = check({
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
    const { code, complaints } = check({ [file]: text });
    expect(code).toBe(1);
    expect(complaints).toEqual([expect.stringContaining(complaint)]);
  });

  it('says which sections with a MUST no test cites, and does not fail', () => {
    const { code, output } = check({
      'packages/a/src/b.ts': '// spec page 1.1\n',
      'packages/a/test/b.test.ts': '// Spec page 1.2 to 1.3\n',
    });
    expect(code).toBe(0);
    expect(output).toBe('spec page: 1 of 3 sections with a MUST are cited by no test: 1.1\n');
  });
});
