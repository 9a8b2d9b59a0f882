/** Links from a page to files that are no pages, such as sources: the site has a copy of each as text. */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MarkdownRenderer } from 'vitepress';

const DOCS = fileURLToPath(new URL('..', import.meta.url));
const ROOT = path.join(DOCS, '..');
/** VitePress copies what is in here to the site. */
const COPIES = path.join(DOCS, 'public/source');
const IMAGE = /\.(svg|png)$/;

/** @param markdown  turns pages into HTML; from now on also their links that leave the site */
export function linkOutside(markdown: MarkdownRenderer): void {
  markdown.core.ruler.push('link-outside', (state) => {
    const page: string = state.env.realPath ?? state.env.path ?? '';
    for (const { children } of state.tokens) {
      let isDropped = false;
      for (const token of children ?? []) {
        if (token.type === 'link_open') {
          const href = token.attrGet('href') ?? '';
          const file = outsideFile(page, href);
          if (file === undefined) continue;
          isDropped = statSync(file).isDirectory();
          if (isDropped) token.tag = 'span';
          else {
            token.attrSet('href', copyOf(file));
            token.attrSet('target', '_blank');
          }
          if (isDropped) token.attrs = null;
        } else if (token.type === 'link_close' && isDropped) {
          token.tag = 'span';
          isDropped = false;
        }
      }
    }
  });
}

/** @returns the file that a link leads to, if it exists and is no page of the site */
function outsideFile(page: string, href: string): string | undefined {
  const [relative = ''] = href.split('#');
  if (page === '' || relative === '' || /^([a-z]+:|\/)/.test(relative)) return undefined;
  const file = path.resolve(path.dirname(page), decodeURI(relative));
  const isInside = file.startsWith(DOCS) && (file.endsWith('.md') || IMAGE.test(file));
  return isInside || !existsSync(file) ? undefined : file;
}

/** Sources are copied under a name that browsers show as text, and captures under their own. */
function copyOf(file: string): string {
  const name = path.relative(ROOT, file) + (file.endsWith('.pcapng') ? '' : '.txt');
  const copy = path.join(COPIES, name);
  mkdirSync(path.dirname(copy), { recursive: true });
  writeFileSync(copy, readFileSync(file));
  return `/source/${name}`;
}
