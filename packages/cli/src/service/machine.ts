/** What the installation of a service needs to know about this machine, and checks of the program that it will run. */
import { existsSync, realpathSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { CliError } from '../cli-error.js';
import { defaultConfigDirectory } from '../config/default-paths.js';
import { ExitCode } from '../exit-code.js';

export interface Machine {
  readonly isRoot: boolean;
  /** Whether systemd is the init system here, as sd_booted(3) finds out. */
  readonly runsSystemd: boolean;
  /** The full paths of Node and of the program's entry script. */
  readonly node: string;
  readonly script: string;
  readonly home: string;
  /** This user's `…/underpass`, which has relay.toml and the relays. */
  readonly configDirectory: string;
  /** Where units and the like go. Tests put them elsewhere. */
  readonly directories: ServiceDirectories;
}

export interface ServiceDirectories {
  readonly systemUnits: string;
  readonly userUnits: string;
  readonly sysusers: string;
}

export function thisMachine(environment: NodeJS.ProcessEnv = process.env): Machine {
  const home = homedir();
  const { XDG_CONFIG_HOME: config } = environment;
  const userConfig = config !== undefined && path.isAbsolute(config) ? config : path.join(home, '.config');
  return {
    isRoot: process.geteuid?.() === 0,
    runsSystemd: existsSync('/run/systemd/system'),
    node: realpathSync(process.execPath),
    script: realpathSync(process.argv[1] ?? ''),
    home,
    configDirectory: defaultConfigDirectory(environment),
    directories: {
      systemUnits: '/etc/systemd/system',
      userUnits: path.join(userConfig, 'systemd', 'user'),
      sysusers: '/etc/sysusers.d',
    },
  };
}

/** Directories that a sandboxed service finds empty: ProtectHome= and PrivateTmp=. */
const HIDDEN = ['/home/', '/root/', '/run/user/', '/tmp/', '/var/tmp/'];
const OTHERS_READ = 0o004;
const OTHERS_ENTER = 0o001;

/** Refuses a program that a service with another user and a sandbox could not run.
 *  @throws CliError */
export function requireReadableByServices({ node, script }: Machine): void {
  for (const [what, file] of [
    ['Node', node],
    ['underpass', script],
  ] as const) {
    const isHidden = HIDDEN.some((directory) => file.startsWith(directory));
    if (!isHidden && isReadableByAll(file)) continue;
    throw new CliError(
      ExitCode.failure,
      `${what} is at ${file}, which a service of the system cannot read`,
      what === 'Node'
        ? 'install Node for all users, for example from your distribution or nodejs.org, and install underpass with it'
        : 'install it for all users: sudo npm install -g ./underpass-VERSION.tgz',
    );
  }
}

function isReadableByAll(file: string): boolean {
  if ((statSync(file).mode & OTHERS_READ) === 0) return false;
  for (let directory = path.dirname(file); ; directory = path.dirname(directory)) {
    if ((statSync(directory).mode & OTHERS_ENTER) === 0) return false;
    if (directory === path.dirname(directory)) return true;
  }
}
