// How Vite builds the playground. scripts/playground.mjs starts it.

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
    define: { __SPEC_BASE__: JSON.stringify(specBase) },
  };
}
