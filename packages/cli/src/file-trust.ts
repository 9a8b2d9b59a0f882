/** Checks who can read or change an important file, like sshd's StrictModes. All checks apply to the open file and not
 *  to its name, so that nobody can replace it in between. */
import { type Stats, statSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { CliError } from './cli-error.js';
import { ExitCode } from './exit-code.js';

const GROUP_OR_OTHERS = 0o077;
const OTHERS = 0o007;
const OTHERS_WRITE = 0o002;
const GROUP_WRITE = 0o020;
const STICKY = 0o1000;

/** The user who runs the program. Undefined on systems without numeric user ids (Windows). */
export interface User {
  readonly uid: number;
  readonly gid: number;
}

export function currentUser(): User | undefined {
  const uid = process.geteuid?.();
  const gid = process.getegid?.();
  return uid === undefined || gid === undefined ? undefined : { uid, gid };
}

/** Refuses a secret file unless this user owns it and nobody else can access it.
 *  @param what  how the message refers to the file, for example `the key file`
 *  @throws CliError with `ExitCode.config` */
export function requireSecret(file: string, stats: Stats, what: string, user = currentUser()): void {
  if (user === undefined) return; // on Windows the access list of the profile directory protects it
  if (isCredential(file, stats, user)) return;
  if (stats.uid !== user.uid) {
    throw untrusted(
      `${what} ${file} belongs to another user (uid ${stats.uid}, this program runs as ${user.uid})`,
      `run as its owner, or: chown ${user.uid} ${quoteArgument(file)}`,
    );
  }
  if ((stats.mode & GROUP_OR_OTHERS) !== 0) {
    throw untrusted(
      `${what} ${file} is open to other users (mode ${modeText(stats)})`,
      `run: chmod 600 ${quoteArgument(file)}`,
    );
  }
}

/** Whether systemd handed the file to this service (systemd.exec(5), 'Credentials'). Such a file belongs to root or to the
 *  service's user. An access list lets that user read it, which looks like a permission of the group. */
function isCredential(file: string, stats: Stats, user: User, environment = process.env): boolean {
  const directory = environment.CREDENTIALS_DIRECTORY ?? '';
  if (!path.isAbsolute(directory) || path.dirname(path.resolve(file)) !== path.resolve(directory))
    return false;
  return (stats.uid === 0 || stats.uid === user.uid) && (stats.mode & (OTHERS | GROUP_WRITE)) === 0;
}

/** Refuses a file that grants access, such as a config, if anyone but this user and root could change or replace it. It
 *  checks the file and every directory above it, up to the home directory.
 *
 *  Two exceptions are safe. In a sticky directory such as /tmp others cannot replace the file. And the group may have
 *  write permission if its number equals the user's: most Linux distributions give each user such a group of their own,
 *  with a default mode of 0664.
 *
 *  @param what  how the message refers to the file, for example `the config file`
 *  @throws CliError with `ExitCode.config` */
export function requireUnchangedByOthers(
  file: string,
  stats: Stats,
  what: string,
  user = currentUser(),
): void {
  if (user === undefined) return;
  requireTrustedOwner(file, stats, what, user);
  if (isWritableByOthers(stats, user)) throw changeable(file, stats, what);
  for (const directory of directoriesAbove(file)) {
    const directoryStats = statSync(directory);
    const place = `the directory of ${what}`;
    requireTrustedOwner(directory, directoryStats, place, user);
    const isSticky = (directoryStats.mode & STICKY) !== 0;
    if (!isSticky && isWritableByOthers(directoryStats, user)) {
      throw changeable(directory, directoryStats, place);
    }
  }
}

/** Quotes a path for a shell, if necessary. */
export function quoteArgument(file: string): string {
  return /^[\w@%+=:,./-]+$/.test(file) ? file : `'${file.replaceAll("'", "'\\''")}'`;
}

function requireTrustedOwner(file: string, stats: Stats, what: string, user: User): void {
  if (stats.uid === user.uid || stats.uid === 0) return;
  throw untrusted(
    `${what} ${file} belongs to another user (uid ${stats.uid}), who could change what it grants`,
    `run as its owner, or: chown ${user.uid} ${quoteArgument(file)}`,
  );
}

function isWritableByOthers(stats: Stats, user: User): boolean {
  if ((stats.mode & OTHERS_WRITE) !== 0) return true;
  const isOwnGroup = stats.gid === user.gid && stats.gid === user.uid;
  return (stats.mode & GROUP_WRITE) !== 0 && !isOwnGroup;
}

function changeable(file: string, stats: Stats, what: string): CliError {
  return untrusted(
    `${what} ${file} can be changed by other users (mode ${modeText(stats)}), who could give themselves access`,
    `run: chmod go-w ${quoteArgument(file)}`,
  );
}

/** From the innermost directory to the user's home, or to the root. Directories above a home belong to the system. */
function directoriesAbove(file: string): string[] {
  const directories: string[] = [];
  let directory = path.dirname(path.resolve(file));
  while (directories.at(-1) !== directory) {
    directories.push(directory);
    if (directory === homedir()) break;
    directory = path.dirname(directory);
  }
  return directories;
}

function modeText(stats: Stats): string {
  return (stats.mode & 0o7777).toString(8).padStart(4, '0');
}

function untrusted(message: string, hint: string): CliError {
  return new CliError(ExitCode.config, message, hint);
}
