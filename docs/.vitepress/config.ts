import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type DefaultTheme, defineConfig } from 'vitepress';
import { linkOutside } from './outside-links.ts';

const DOCS = fileURLToPath(new URL('..', import.meta.url));

/** A page's first heading is its name in the sidebar. */
function titleOf(page: string): string {
  return /^# (.+)$/m.exec(readFileSync(path.join(DOCS, page), 'utf8'))?.[1]?.replaceAll('`', '') ?? page;
}

function entry(page: string): DefaultTheme.SidebarItem {
  return { text: titleOf(page), link: `/${page.replace(/README\.md$|\.md$/, '')}` };
}

/** All pages of a folder, the overview first. Folders of the course are steps with one page each. */
function pagesOf(folder: string): DefaultTheme.SidebarItem[] {
  const entries = readdirSync(path.join(DOCS, folder), { withFileTypes: true });
  const pages = entries
    .map((file) => (file.isDirectory() ? `${folder}/${file.name}/README.md` : `${folder}/${file.name}`))
    .filter((page) => page.endsWith('.md') && existsSync(path.join(DOCS, page)))
    .sort(
      (a, b) => Number(b === `${folder}/README.md`) - Number(a === `${folder}/README.md`) || (a < b ? -1 : 1),
    );
  return pages.map(entry);
}

function section(
  text: string,
  items: DefaultTheme.SidebarItem[],
  collapsed = true,
): DefaultTheme.SidebarItem {
  return { text, items, collapsed };
}

const sections: DefaultTheme.SidebarItem[] = [
  section('Guide', pagesOf('guide'), false),
  section(
    'Reference',
    ['cli.md', 'running-a-relay.md', 'troubleshooting.md', 'threat-model.md', 'wireshark/README.md'].map(
      entry,
    ),
    false,
  ),
  section('Course', pagesOf('course')),
  section(
    'How it works',
    ['architecture.md', 'loss.md', 'performance.md', 'glossary.md'].filter(exists).map(entry),
  ),
  ...['session', 'benchmarks']
    .filter(exists)
    .map((folder) => section(titleOf(`${folder}/README.md`), pagesOf(folder))),
  section('Specification', pagesOf('spec')),
  section('Decisions', pagesOf('adr')),
];

function exists(page: string): boolean {
  return existsSync(path.join(DOCS, page.endsWith('.md') ? page : `${page}/README.md`));
}

export default defineConfig({
  title: 'Underpass',
  description: 'A secure tunnel in TypeScript: WireGuard on the wire, reliable streams inside.',
  lang: 'en',
  cleanUrls: false,
  // The same page is a folder's README where the repository is browsed, and its index on the site.
  rewrites: (page) => page.replace(/README\.md$/, 'index.md'),
  srcExclude: ['**/node_modules/**'],
  markdown: { config: (markdown) => linkOutside(markdown) },
  themeConfig: {
    search: { provider: 'local' },
    outline: 'deep',
    nav: [
      { text: 'Guide', link: '/guide/' },
      { text: 'Course', link: '/course/' },
      { text: 'Specification', link: '/spec/' },
      { text: 'API', link: '/api/', target: '_self' },
      ...(existsSync(path.join(DOCS, '../packages/playground/index.html'))
        ? [{ text: 'Playground', link: '/playground/', target: '_self' }]
        : []),
    ],
    sidebar: sections,
  },
  // These are made beside the site, and are no pages of it. All other links are checked.
  ignoreDeadLinks: [/^\/(api|playground|source)\//],
});
