import { describe, expect, it } from 'vitest';
import { plant, runScript } from './planted-tree.js';

const PAGE = '# Page\n\n## 1. First\n\n### 1.1 Part\n\n## 2. Second\n';

function check(files: Readonly<Record<string, string>>) {
  return runScript('check-spec.mjs', plant({ 'docs/spec/page.md': PAGE, ...files }));
}

describe('the check of citations', () => {
  it('passes sections and files that exist', () => {
    const result = check({
      'packages/a/src/b.ts': '// spec page 1.1\n// (spec page 1, 2)\n// spec page 1.1 to 2\n',
      'docs/other.md': 'See [the page](spec/page.md#1-first) and [elsewhere](https://example.com/).\n',
    });
    expect(result).toEqual({ code: 0, complaints: [] });
  });

  it.each([
    ['packages/a/src/b.ts', '// spec page 1.2\n', 'packages/a/src/b.ts:1: spec page has no section 1.2'],
    ['test/b.test.ts', '\n// spec nothing 1\n', 'test/b.test.ts:2: spec nothing 1: there is no'],
    ['docs/other.md', '[the page](spec/gone.md)\n', 'docs/other.md:1: link to spec/gone.md'],
    ['README.md', '[docs](docs/gone.md)\n', 'README.md:1: link to docs/gone.md'],
  ])('fails on %s with %j', (file, text, complaint) => {
    const { code, complaints } = check({ [file]: text });
    expect(code).toBe(1);
    expect(complaints).toEqual([expect.stringContaining(complaint)]);
  });
});
