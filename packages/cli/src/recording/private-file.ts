/** Opens the files that a user asked for and that contain secrets: key logs and captures. */
import { closeSync, constants, fchmodSync, fstatSync, openSync } from 'node:fs';
import { CliError, systemReason } from '../cli-error.js';
import { ExitCode } from '../exit-code.js';
import { requireSecret } from '../file-trust.js';

const { O_CREAT, O_WRONLY } = constants;
/** Windows has neither flag, and needs neither: links require an administrator there, and named pipes are not files. */
const { O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;

/** Opens or creates the file with mode 0600, for writing.
 *
 *  @param what  how messages refer to the file, for example `the key log`
 *  @param flags  of open(2), in addition
 *  @returns the file's descriptor
 *  @throws CliError if the file cannot be opened, is a link, belongs to another user or is open to others */
export function openPrivately(path: string, what: string, flags = 0): number {
  let file: number;
  try {
    // Do not follow a link: in a directory such as /tmp anyone can create one that points to a file of this user.
    file = openSync(path, flags | O_CREAT | O_WRONLY | O_NOFOLLOW | O_NONBLOCK, 0o600);
  } catch (error) {
    const isLink = error instanceof Error && 'code' in error && error.code === 'ELOOP';
    const reason = isLink ? 'it is a symbolic link' : systemReason(error);
    const message = `cannot open ${what} ${path}: ${reason}`;
    throw new CliError(ExitCode.config, message, 'choose another file', { cause: error });
  }
  try {
    const stats = fstatSync(file);
    requireSecret(path, stats, what);
    // Another name of the file could be in a place where other users look.
    if (stats.isFile() && stats.nlink > 1) {
      throw new CliError(
        ExitCode.config,
        `${what} ${path} has other names (hard links)`,
        'choose another file',
      );
    }
    if (stats.isFile()) fchmodSync(file, 0o600); // an unusual umask may have removed the owner's own permissions
  } catch (error) {
    closeSync(file);
    throw error;
  }
  return file;
}
