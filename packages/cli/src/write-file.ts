/** Writes small files atomically: after a full disk, a crash or a power cut the file is there whole or not at all. */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import path from 'node:path';

export interface WriteFileOptions {
  readonly mode: number;
  /** Whether to replace an existing file. By default it is left alone. */
  readonly replace?: boolean;
}

/** The errors of file systems without hard links, such as those of memory cards and some network file systems. */
const WITHOUT_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

/** Writes a temporary file beside `file`, flushes it to the disk, and then renames it.
 *  @param content  a text, or the bytes of a secret, which the caller wipes
 *  @throws the system's error; EEXIST if the file exists and must not be replaced. Nothing is left behind */
export function writeFileWhole(
  file: string,
  content: string | Uint8Array,
  { mode, replace = false }: WriteFileOptions,
): void {
  const directory = path.dirname(file);
  const temporary = path.join(directory, `.${path.basename(file)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    writeAndSync(temporary, content, mode);
    if (replace) renameSync(temporary, file);
    else giveNewName(temporary, file, mode);
  } finally {
    removeIfThere(temporary);
  }
  syncDirectory(directory);
}

/** Uses a link, because a rename would replace an existing file. */
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

function writeAndSync(file: string, content: string | Uint8Array, mode: number): void {
  const descriptor = openSync(file, 'wx', mode);
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  try {
    for (let written = 0; written < bytes.length; ) {
      written += writeSync(descriptor, bytes, written);
    }
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function removeIfThere(file: string): void {
  try {
    unlinkSync(file);
  } catch {
    // It was renamed, or never created.
  }
}

/** Flushes a directory, because a new name must also reach the disk. */
export function syncDirectory(directory: string): void {
  let descriptor: number;
  try {
    descriptor = openSync(directory, 'r');
  } catch {
    return; // Windows does not open directories
  }
  try {
    fsyncSync(descriptor);
  } catch {
    // Some file systems do not support it. The file is whole in any case.
  } finally {
    closeSync(descriptor);
  }
}
