/** `underpass service`: writes systemd units for a relay or a client. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { usageError } from '../cli-error.js';
import { savedRelay } from '../config/saved-relays.js';
import { valueAt } from '../config/schema-problems.js';
import { readTomlDocument } from '../config/toml-document.js';
import { parseListenAddress } from '../host-port.js';
import { clientFacts } from '../service/client-facts.js';
import { type Execution, install, uninstall } from '../service/install.js';
import { thisMachine } from '../service/machine.js';
import { planInstall, planUninstall, type Role, STATE_DIRECTORY } from '../service/plan.js';
import { printLine, requireOutput } from '../terminal.js';

export interface ServiceFlags {
  readonly user?: boolean;
  readonly dryRun?: boolean;
  readonly config?: string;
}

export async function runInstall(kind: string, name: string | undefined, flags: ServiceFlags): Promise<void> {
  const execution = executionOf(flags);
  const target = targetOf(kind, name);
  const { isUser, machine } = execution;
  const role: Role =
    target.kind === 'client'
      ? {
          ...target,
          client: clientFacts(flags.config ?? savedRelay(target.name).file, !isUser),
          isSaved: flags.config === undefined,
        }
      : { ...target, config: absolute(flags.config), port: relayPort(machine.configDirectory, isUser) };
  install(planInstall(role, isUser, machine), execution);
  const own = path.join(machine.configDirectory, 'relay.toml');
  if (role.kind === 'relay' && !isUser && !flags.dryRun && existsSync(own)) {
    printLine(
      `\nThis user has a relay of its own in ${machine.configDirectory}, which the service does not use: it makes a new key.\n` +
        `To keep the old key, copy that directory to ${STATE_DIRECTORY}/.config/ before you start it, and give it to the user underpass.`,
    );
  }
  await requireOutput();
}

export async function runUninstall(
  kind: string,
  name: string | undefined,
  flags: ServiceFlags,
): Promise<void> {
  const execution = executionOf(flags);
  uninstall(planUninstall(targetOf(kind, name), execution.isUser, execution.machine), execution);
  await requireOutput();
}

function executionOf({ user, dryRun = false }: ServiceFlags): Execution {
  const machine = thisMachine();
  return { dryRun, isUser: user ?? !machine.isRoot, machine, print: printLine };
}

function targetOf(kind: string, name: string | undefined) {
  if (kind === 'relay') {
    if (name === undefined) return { kind } as const;
    throw usageError(
      `a relay's service has no name, but got '${name}'`,
      'run: underpass service install relay',
    );
  }
  if (kind === 'client') {
    if (name !== undefined && /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) return { kind, name } as const;
    throw usageError(
      name === undefined ? 'no relay is given for the client' : `'${name}' is not the name of a relay`,
      'give the name that underpass client NAME takes',
    );
  }
  throw usageError(
    `a service runs a relay or a client, but got '${kind}'`,
    'see underpass service install --help',
  );
}

/** The port of the config that the service will use, if there is one already. */
function relayPort(configDirectory: string, isUser: boolean): number | undefined {
  const directory = isUser ? configDirectory : path.join(STATE_DIRECTORY, '.config', 'underpass');
  const file = path.join(directory, 'relay.toml');
  if (!existsSync(file)) return undefined;
  const listen = valueAt(readTomlDocument(file).value, ['listen']);
  return parseListenAddress(String(listen))?.port;
}

function absolute(file: string | undefined): string | undefined {
  return file === undefined ? undefined : path.resolve(file);
}
