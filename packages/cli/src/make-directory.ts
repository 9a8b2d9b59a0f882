/** Creates directories, and says why where that fails. */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { systemCode } from '@underpass/runtime/errors';

/** Creates the directory, and those above it that are missing, all with `mode`. Does nothing if it exists.
 *
 *  Node's own `recursive` does not pass on why: on a read-only file system it says that there is no such directory, and
 *  it tries for ever on one that takes none, such as /proc.
 *  @throws the system's error; EEXIST if something else has that name */
export function makeDirectory(directory: string, mode = 0o777): void {
  try {
    mkdirSync(directory, { mode });
  } catch (error) {
    if (isDirectory(directory)) return;
    const parent = path.dirname(directory);
    if (systemCode(error) !== 'ENOENT' || existsSync(parent)) throw error;
    makeDirectory(parent, mode);
    makeDirectory(directory, mode);
  }
}

function isDirectory(place: string): boolean {
  return statSync(place, { throwIfNoEntry: false })?.isDirectory() === true;
}
