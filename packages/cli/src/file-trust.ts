/** Who may have written, or may read, a file that matters: the checks of sshd's StrictModes. All of them are asked of
 *  the open file, not of its name, so that nobody can swap it in between. */
import { type Stats, statSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { CliError } from './cli-error.js';
import { ExitCode } from './exit-code.js';

const GROUP_OR_OTHERS = 0o077;
const OTHERS_WRITE = 0o002;
const GROUP_WRITE = 0o020;
const STICKY = 0o1000;

/** Who runs the program; undefined on a system without users' numbers (Windows). */
export interface User {
  readonly uid: number;
  readonly gid: number;
}

export function currentUser(): User | undefined {
  const uid = process.geteuid?.();
  const gid = process.getegid?.();
  return uid === undefined || gid === undefined ? undefined : { uid, gid };
}

/** Refuses a file with a secret unless it is this user's own and closed to everybody else.
 *  @param what  as the message calls it: `the key file`
 *  @throws CliError with `ExitCode.config` */
export function requireSecret(file: string, stats: Stats, what: string, user = currentUser()): void {
  if (user === undefined) return; // the profile directory's access list protects it
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

/** Refuses a file that grants access, such as a config, unless only this user and root can change it: the file itself,
 *  or another in its place. Every directory above it, up to the home directory, is asked as well. A sticky directory
 *  such as /tmp will do, since others cannot replace a file there. So will write permission for the group that has the
 *  user's own number, in which nobody else is by the custom of most Linux distributions, whose default mode for new
 *  files is 0664.
 *  @param what  as the message calls it: `the config file`
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

/** A path as one would type it in a shell. */
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
    `${what} ${file} can be changed by other users (mode ${modeText(stats)}), and with it who may connect`,
    `run: chmod go-w ${quoteArgument(file)}`,
  );
}

/** From the innermost to the user's home directory, or to the root. What lies above a home belongs to the system. */
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
