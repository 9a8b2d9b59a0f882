// Where the sources are of each name that a package exports: the tests and the bundle are made from sources, not from
// builds.

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const PACKAGES = new URL('../packages/', import.meta.url);

/** @returns `@underpass/forward/spec` and the like, each with the path of its source */
export function sourcesByName() {
  return new Map(readdirSync(PACKAGES).flatMap(sourcesOf));
}

function sourcesOf(folder) {
  const base = new URL(`${folder}/`, PACKAGES);
  const manifest = JSON.parse(readFileSync(new URL('package.json', base), 'utf8'));
  return Object.entries(manifest.exports ?? {}).map(([name, target]) => {
    // What is not built is exported as it is.
    const built = typeof target === 'string' ? target : target.types;
    const source = built.replace('./dist/', './src/').replace(/\.d\.ts$/, '.ts');
    return [`@underpass/${folder}${name.slice(1)}`, fileURLToPath(new URL(source, base))];
  });
}
