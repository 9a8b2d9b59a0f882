/** The files of the inspector's page, which the bundle carries (scripts/bundle.mjs). */
import { readFileSync } from 'node:fs';

const FOLDER = new URL('./inspector/', import.meta.url);

const FILES: Readonly<Record<string, { readonly file: string; readonly type: string }>> = {
  '': { file: 'index.html', type: 'text/html; charset=utf-8' },
  'page.js': { file: 'page.js', type: 'text/javascript; charset=utf-8' },
  'page.css': { file: 'page.css', type: 'text/css; charset=utf-8' },
};

export interface PageFile {
  readonly type: string;
  readonly bytes: Uint8Array;
}

/** @param name  below the session's path
 *  @returns undefined if there is no such file
 *  @throws if the package is incomplete */
export function pageFile(name: string): PageFile | undefined {
  const known = Object.hasOwn(FILES, name) ? FILES[name] : undefined;
  return known && { type: known.type, bytes: readFileSync(new URL(known.file, FOLDER)) };
}
