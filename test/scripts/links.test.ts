/** Every link inside the documentation leads somewhere. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const pages = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], {
  cwd: ROOT,
  encoding: 'utf8',
})
  .split('\n')
  .filter((page) => page !== '' && existsSync(path.join(ROOT, page)));

/** Without code, where brackets mean something else. */
function prose(text: string): string {
  return text.replace(/^(`{3,}|~{3,}).*?^\1/gms, '').replace(/`[^`\n]*`/g, '`');
}

/** The anchors of a page, as GitHub and VitePress make them from headings. */
function anchors(page: string): Set<string> {
  const found = new Set<string>();
  const text = readFileSync(page, 'utf8').replace(/^(`{3,}|~{3,}).*?^\1/gms, '');
  for (const [, heading = ''] of text.matchAll(/^#{1,6} +(.+)$/gm)) {
    const words = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-');
    let anchor = words;
    for (let n = 1; found.has(anchor); n++) anchor = `${words}-${n}`;
    found.add(anchor);
  }
  for (const [, id = ''] of text.matchAll(/<a (?:id|name)="([^"]+)"/g)) found.add(id);
  return found;
}

function brokenLinks(page: string): string[] {
  const file = path.join(ROOT, page);
  const broken: string[] = [];
  for (const [, target = ''] of prose(readFileSync(file, 'utf8')).matchAll(
    /\]\(([^()\s]+)(?: "[^"]*")?\)/g,
  )) {
    if (/^[a-z]+:/.test(target)) continue;
    const [relative = '', anchor] = target.split('#');
    const to = relative === '' ? file : path.resolve(path.dirname(file), decodeURI(relative));
    if (!existsSync(to)) broken.push(target);
    else if (anchor && statSync(to).isFile() && to.endsWith('.md') && !anchors(to).has(anchor))
      broken.push(target);
  }
  return broken;
}

describe('links of the documentation', () => {
  it.each(pages)('of %s lead to files and headings that exist', (page) => {
    expect(brokenLinks(page)).toEqual([]);
  });
});
