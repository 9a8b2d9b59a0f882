/** The version, read from package.json. */
import { readFileSync } from 'node:fs';

export const VERSION: string = versionOf(
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')),
);

function versionOf(manifest: { readonly version?: unknown }): string {
  return typeof manifest.version === 'string' ? manifest.version : 'unknown';
}
