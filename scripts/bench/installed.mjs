// Finds programs that may not be installed.

import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import path from 'node:path';

/** Where Debian puts programs for root, which is not always in PATH. */
const MORE_FOLDERS = ['/usr/sbin', '/sbin'];

/** @returns its path, or undefined */
export function pathOf(program) {
  for (const folder of [...(process.env.PATH ?? '').split(path.delimiter), ...MORE_FOLDERS]) {
    const file = path.join(folder, program);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // It is not in this folder.
    }
  }
  return undefined;
}

/** @param programs  their names
 *  @param packages  the Debian packages that have them
 *  @returns why a tunnel cannot be measured, and what to do; or undefined */
export function missingPrograms(programs, packages) {
  const missing = programs.filter((program) => pathOf(program) === undefined);
  if (missing.length === 0) return undefined;
  return `${missing.join(', ')} not found: apt-get install ${packages.join(' ')}`;
}

/** How dpkg-query names the version. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: the syntax of dpkg-query
const VERSION_FIELD = '${Version}';

/** @returns the version of a Debian package, for programs that do not say theirs */
export function versionOfPackage(name) {
  const { status, stdout } = spawnSync('dpkg-query', ['--show', '--showformat', VERSION_FIELD, name], {
    encoding: 'utf8',
  });
  return status === 0 ? `Debian ${stdout}` : 'version unknown';
}
