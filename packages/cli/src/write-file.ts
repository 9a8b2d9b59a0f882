/** Writes small files so that they are there whole or not at all, whatever happens: a full disk, a crash, a power
 *  cut. */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import path from 'node:path';

export interface WriteFileOptions {
  readonly mode: number;
  /** Whether a file that is there already is replaced; otherwise it is left alone. */
  readonly replace?: boolean;
}

/** What file systems without hard links answer: those of memory cards, some of networks. */
const WITHOUT_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

/** Writes a temporary file beside `file`, brings it to the disk, and then gives it its name.
 *  @throws the system's error; EEXIST when the file is there and not to be replaced. Nothing is left behind */
export function writeFileWhole(
  file: string,
  text: string,
  { mode, replace = false }: WriteFileOptions,
): void {
  const directory = path.dirname(file);
  const temporary = path.join(directory, `.${path.basename(file)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    writeAndSync(temporary, text, mode);
    if (replace) renameSync(temporary, file);
    else giveNewName(temporary, file, mode);
  } finally {
    removeIfThere(temporary);
  }
  syncDirectory(directory);
}

/** A link, since a rename would replace what is there. */
function giveNewName(temporary: string, file: string, mode: number): void {
  try {
    linkSync(temporary, file);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (!WITHOUT_LINKS.has(code)) throw error;
    closeSync(openSync(file, 'wx', mode)); // claims the name
    renameSync(temporary, file);
  }
}

function writeAndSync(file: string, text: string, mode: number): void {
  const descriptor = openSync(file, 'wx', mode);
  const bytes = Buffer.from(text);
  try {
    for (let written = 0; written < bytes.length; ) {
      written += writeSync(descriptor, bytes, written);
    }
    fsyncSync(descriptor);
  } finally {
    bytes.fill(0);
    closeSync(descriptor);
  }
}

function removeIfThere(file: string): void {
  try {
    unlinkSync(file);
  } catch {
    // renamed, or never made
  }
}

/** The name, too, has to reach the disk. */
function syncDirectory(directory: string): void {
  let descriptor: number;
  try {
    descriptor = openSync(directory, 'r');
  } catch {
    return; // Windows does not open directories
  }
  try {
    fsyncSync(descriptor);
  } catch {
    // not every file system can; the file is whole either way
  } finally {
    closeSync(descriptor);
  }
}
