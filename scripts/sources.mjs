// Maps each name that a package exports to its source file: the tests and the bundle use sources, not builds.

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const PACKAGES = new URL('../packages/', import.meta.url);

/** @returns the path of the source for each name, such as `@underpass/forward/spec` */
export function sourcesByName() {
  return new Map(readdirSync(PACKAGES).flatMap(sourcesOf));
}

function sourcesOf(folder) {
  const base = new URL(`${folder}/`, PACKAGES);
  const manifest = JSON.parse(readFileSync(new URL('package.json', base), 'utf8'));
  return Object.entries(manifest.exports ?? {}).map(([name, target]) => {
    // Exports that are not built, such as JSON files, are used unchanged.
    const built = typeof target === 'string' ? target : target.types;
    const source = built.replace('./dist/', './src/').replace(/\.d\.ts$/, '.ts');
    return [`@underpass/${folder}${name.slice(1)}`, fileURLToPath(new URL(source, base))];
  });
}
