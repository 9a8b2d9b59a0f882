// How Vite builds the playground. scripts/playground.mjs starts it.

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { sourcesByName } from '../../scripts/sources.mjs';

const root = fileURLToPath(new URL('.', import.meta.url));
export const PAGE_FOLDER = fileURLToPath(new URL('dist/page/', import.meta.url));

/** The page runs its own script and needs nothing from anywhere else. */
export const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

/** Puts the policy into the page too, for servers that send no headers. */
const policyInPage = {
  name: 'content-security-policy',
  transformIndexHtml: () => [
    {
      tag: 'meta',
      attrs: { 'http-equiv': 'Content-Security-Policy', content: contentSecurityPolicy },
      injectTo: 'head-prepend',
    },
  ],
};

/** @param specBase  see scripts/playground.mjs */
export function playgroundConfig({ specBase }) {
  return {
    root,
    configFile: false,
    // Relative, so that the files can be served from any folder.
    base: './',
    plugins: [policyInPage],
    resolve: { alias: Object.fromEntries([...sourcesByName()].sort(([a], [b]) => b.length - a.length)) },
    define: { __SPEC_LINKS__: JSON.stringify(specBase === '' ? {} : specLinks(specBase)) },
  };
}

/** The address of every section of the specification, by its name: `wire 2.5` is section 2.5 of docs/spec/wire.md. */
function specLinks(base) {
  const folder = new URL('../../docs/spec/', import.meta.url);
  const pages = readdirSync(folder).filter((name) => name.endsWith('.md') && name !== 'README.md');
  return Object.fromEntries(
    pages.flatMap((page) => {
      const name = page.replace('.md', '');
      const headings = readFileSync(new URL(page, folder), 'utf8').matchAll(/^#{2,3} (([\d.]*\d)\.? .*)$/gm);
      return [...headings].map(([, heading, section]) => [
        `${name} ${section}`,
        `${base}${name}.html#${anchorOf(heading)}`,
      ]);
    }),
  );
}

/** The anchor that VitePress makes of a heading. */
function anchorOf(heading) {
  const words = heading.replace(/[`'"’]/g, '').replace(/[^\p{L}\p{N}]+/gu, '-');
  return words.replace(/^-|-$/g, '').replace(/^(\d)/, '_$1').toLowerCase();
}
