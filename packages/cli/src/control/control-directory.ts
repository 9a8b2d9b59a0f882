/** The directory of the control sockets: where it is, and whether it can be trusted (docs/adr/0019-control-socket.md). */
import { existsSync, lstatSync, readdirSync, realpathSync, type Stats } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { systemCode } from '@underpass/runtime/errors';
import { CliError, systemReason } from '../cli-error.js';
import { ExitCode } from '../exit-code.js';
import { currentUser, quoteArgument, requireUnchangedByOthers, type User } from '../file-trust.js';
import { makeDirectory } from '../make-directory.js';
import { MAX_CONTROL_SOCKETS, MAX_SOCKET_PATH_BYTES } from './control-limits.js';

const WHAT = 'the control directory';
const SOCKET_NAME = /^(?:relay|client)-[0-9a-f]{12}\.sock$/;
const GROUP_OR_OTHERS = 0o077;
/** Where systemd creates the directories of services, which root may want to ask. */
const SERVICES_DIRECTORY = '/run';
const SERVICE_NAME = /^underpass(?:-client-.+)?$/;

/** The directory in which a new control socket belongs: systemd's `$RUNTIME_DIRECTORY`, or `underpass` in
 *  `$XDG_RUNTIME_DIR`, or else in the user's state directory. */
export function controlDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  const service = environment.RUNTIME_DIRECTORY?.split(':')[0];
  if (isUsable(service)) return realpathSync(service);
  const session = environment.XDG_RUNTIME_DIR;
  return isUsable(session) ? path.join(realpathSync(session), 'underpass') : stateDirectory(environment);
}

/** Creates the directory if it is missing, and checks it.
 *  @throws CliError if another user could put a socket there or reach ours */
export function openControlDirectory(
  environment: NodeJS.ProcessEnv = process.env,
  user = currentUser(),
): string {
  const directory = controlDirectory(environment);
  try {
    makeDirectory(directory, 0o700);
  } catch (error) {
    // Something else has that name, which `requirePrivate` reports.
    if (systemCode(error) !== 'EEXIST') {
      throw new CliError(
        ExitCode.failure,
        `cannot create ${WHAT} ${directory}: ${systemReason(error)}`,
        'set XDG_RUNTIME_DIR to a directory of yours',
        { cause: error },
      );
    }
  }
  requirePrivate(directory, user);
  return directory;
}

/** Refuses a directory that is a symbolic link, belongs to another user, is open to others, or could be replaced by
 *  them.
 *  @throws CliError */
export function requirePrivate(directory: string, user: User | undefined): void {
  const stats = lstatSync(directory); // not `stat`, which would follow a link that another user planted
  if (!stats.isDirectory()) {
    throw refusal(`${WHAT} ${directory} is not a directory`, `remove ${quoteArgument(directory)}`);
  }
  if (user === undefined) return;
  if (stats.uid !== user.uid) {
    const owner = `uid ${stats.uid}, this program runs as ${user.uid}`;
    throw refusal(
      `${WHAT} ${directory} belongs to another user (${owner})`,
      'set XDG_RUNTIME_DIR to a directory of yours',
    );
  }
  if ((stats.mode & GROUP_OR_OTHERS) !== 0) {
    throw refusal(
      `${WHAT} ${directory} is open to other users (mode ${modeText(stats)})`,
      `run: chmod 700 ${quoteArgument(directory)}`,
    );
  }
  requireUnchangedByOthers(directory, stats, WHAT, user);
}

/** Refuses a path that the kernel would not take for a unix socket.
 *  @throws CliError */
export function requireShortEnough(file: string): void {
  const bytes = Buffer.byteLength(file);
  if (bytes <= MAX_SOCKET_PATH_BYTES) return;
  throw refusal(
    `the path of the control socket ${file} has ${bytes} bytes, and the system permits ${MAX_SOCKET_PATH_BYTES}`,
    'set XDG_RUNTIME_DIR to a directory with a shorter path',
  );
}

/** The control sockets that this user may ask, whether or not anybody answers there. Directories of other users are
 *  left out, except for root. */
export function controlSockets(
  environment: NodeJS.ProcessEnv = process.env,
  user = currentUser(),
): readonly string[] {
  const directories = new Set([controlDirectory(environment), stateDirectory(environment)]);
  // Where login sessions have it. A program that cron or sudo starts is not told.
  const isTold = environment.XDG_RUNTIME_DIR !== undefined;
  if (user !== undefined && !isTold) directories.add(`/run/user/${user.uid}/underpass`);
  if (process.platform === 'linux') for (const directory of serviceDirectories()) directories.add(directory);
  return [...directories].flatMap((directory) => socketsIn(directory, user)).slice(0, MAX_CONTROL_SOCKETS);
}

function serviceDirectories(): string[] {
  try {
    const names = readdirSync(SERVICES_DIRECTORY).filter((name) => SERVICE_NAME.test(name));
    return names.map((name) => path.join(SERVICES_DIRECTORY, name));
  } catch {
    return [];
  }
}

function socketsIn(directory: string, user: User | undefined): string[] {
  try {
    const stats = lstatSync(directory);
    const isTrusted = user === undefined || user.uid === 0 || stats.uid === user.uid;
    if (!stats.isDirectory() || !isTrusted) return [];
    return readdirSync(directory)
      .filter((name) => SOCKET_NAME.test(name))
      .map((name) => path.join(directory, name))
      .filter((file) => lstatSync(file).isSocket())
      .sort();
  } catch {
    return []; // it does not exist, or is not ours to read
  }
}

function stateDirectory(environment: NodeJS.ProcessEnv): string {
  const state = environment.XDG_STATE_HOME;
  const base =
    state !== undefined && path.isAbsolute(state) ? state : path.join(homedir(), '.local', 'state');
  return path.join(base, 'underpass');
}

function isUsable(directory: string | undefined): directory is string {
  return directory !== undefined && path.isAbsolute(directory) && existsSync(directory);
}

function modeText(stats: Stats): string {
  return (stats.mode & 0o7777).toString(8).padStart(4, '0');
}

function refusal(message: string, hint: string): CliError {
  return new CliError(ExitCode.failure, message, hint);
}
