// The licences of what the bundle contains of other projects. Those licences ask that every copy carries them.

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** @param inputs  the paths of the bundled files
 *  @returns one text with the name, version and licence of each package among them
 *  @throws when a package has no licence file */
export function thirdPartyLicences(inputs) {
  const folders = new Set(inputs.flatMap((file) => packageFolderOf(file) ?? []));
  const entries = [...folders].map((folder) => {
    const { name, version } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
    return { name, text: `${name} ${version}\n\n${licenceIn(folder)}` };
  });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  const separator = `\n\n${'-'.repeat(80)}\n\n`;
  return `Underpass contains code of these projects, under these licences.\n${separator.slice(1)}${entries
    .map(({ text }) => text.trim())
    .join(separator)}\n`;
}

/** `…/node_modules/@scope/name` for a file in it; undefined for our own sources. */
function packageFolderOf(file) {
  return /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(file.replaceAll(path.sep, '/'))?.[0];
}

function licenceIn(folder) {
  const file = readdirSync(folder).find((name) => /^(licen[cs]e|copying|unlicense)(\.|$)/i.test(name));
  if (file === undefined) throw new Error(`${folder} has no licence file`);
  return readFileSync(path.join(folder, file), 'utf8');
}
