/** Decides which files a service needs, and what the user runs afterwards (docs/adr/0021-service.md). */
import path from 'node:path';
import { usageError } from '../cli-error.js';
import type { ClientFacts } from './client-facts.js';
import type { Machine } from './machine.js';
import { systemSandbox, USER_SANDBOX, unitArgument, unitText } from './unit-text.js';

export type Role =
  | { readonly kind: 'relay'; readonly config: string | undefined; readonly port: number | undefined }
  | {
      readonly kind: 'client';
      readonly name: string;
      readonly client: ClientFacts;
      /** Whether `underpass client NAME` finds the config by itself. */
      readonly isSaved: boolean;
    };

export interface PlannedFile {
  readonly path: string;
  readonly text: string;
}

export interface InstallPlan {
  readonly unit: string;
  readonly files: readonly PlannedFile[];
  /** Facts that the user should know before the first start. */
  readonly notes: readonly string[];
  /** What to run, in order. */
  readonly commands: readonly string[];
}

/** The relay's user, and its home. */
const USER = 'underpass';
export const STATE_DIRECTORY = '/var/lib/underpass';
const FIRST_UNPRIVILEGED_PORT = 1024;

export function unitName(
  role: { readonly kind: 'relay' } | { readonly kind: 'client'; readonly name: string },
) {
  return role.kind === 'relay' ? 'underpass-relay' : `underpass-client-${role.name}`;
}

/** @param isUser  a unit of this user, instead of the system's */
export function planInstall(role: Role, isUser: boolean, machine: Machine): InstallPlan {
  const unit = unitName(role);
  if (isUser) return planUserUnit(role, unit, machine);
  return role.kind === 'relay' ? planRelay(role, unit, machine) : planClient(role, unit, machine);
}

/** Runs as this user, with this user's files. */
function planUserUnit(role: Role, unit: string, machine: Machine): InstallPlan {
  const parameters =
    role.kind === 'client'
      ? ['client', ...(role.isSaved ? [role.name] : ['--config', role.client.file])]
      : ['relay', ...(role.config === undefined ? [] : ['--config', role.config])];
  const text = unitText({
    ...describe(role),
    command: [machine.node, machine.script, ...parameters].map(unitArgument),
    identity: [],
    sandbox: USER_SANDBOX,
    wantedBy: 'default.target',
  });
  return {
    unit,
    files: [{ path: path.join(machine.directories.userUnits, `${unit}.service`), text }],
    notes: [],
    commands: [
      'systemctl --user daemon-reload',
      `systemctl --user enable --now ${unit}`,
      'loginctl enable-linger    # so that it also runs while you are not logged in',
    ],
  };
}

/** Runs as a user of its own, whose home has the config, the key and the peers. */
function planRelay(role: Role & { kind: 'relay' }, unit: string, machine: Machine): InstallPlan {
  if (role.config !== undefined) {
    throw usageError(
      `the system's relay has its config in ${STATE_DIRECTORY}, because it adds peers to it`,
      'leave --config out and copy your files there, or install a unit of your own user with --user',
    );
  }
  const text = unitText({
    ...describe(role),
    command: [machine.node, machine.script, 'relay'].map(unitArgument),
    identity: [
      `User=${USER}`,
      'StateDirectory=underpass',
      'StateDirectoryMode=0700',
      'RuntimeDirectory=underpass',
      'RuntimeDirectoryMode=0700',
    ],
    sandbox: systemSandbox(isLow(role.port)),
    wantedBy: 'multi-user.target',
  });
  return {
    unit,
    files: [
      {
        path: path.join(machine.directories.sysusers, 'underpass.conf'),
        text: `# Written by underpass service install.\nu ${USER} - "Underpass relay" ${STATE_DIRECTORY}\n`,
      },
      { path: path.join(machine.directories.systemUnits, `${unit}.service`), text },
    ],
    notes: [
      `The relay runs as the user ${USER}. Its files are in ${STATE_DIRECTORY}/.config/underpass.`,
      `Run commands on them as that user: sudo -u ${USER} underpass …`,
    ],
    commands: [
      'systemd-sysusers underpass.conf',
      ...systemCommands(unit),
      `journalctl -u ${unit}    # its log`,
    ],
  };
}

/** Runs as a user that exists only while it runs. systemd hands it copies of the config and the keys. */
function planClient(
  { name, client }: Role & { kind: 'client' },
  unit: string,
  machine: Machine,
): InstallPlan {
  const text = unitText({
    ...describe({ kind: 'client', name }),
    command: [
      ...[machine.node, machine.script, 'client', '--config'].map(unitArgument),
      `%d/${path.basename(client.file)}`,
    ],
    identity: [
      'DynamicUser=yes',
      `RuntimeDirectory=${unit}`,
      'RuntimeDirectoryMode=0700',
      ...[client.file, ...client.secrets].map(
        (file) => `LoadCredential=${path.basename(file)}:${file.replaceAll('%', '%%')}`,
      ),
    ],
    sandbox: systemSandbox(client.ports.some(isLow)),
    wantedBy: 'multi-user.target',
  });
  return {
    unit,
    files: [{ path: path.join(machine.directories.systemUnits, `${unit}.service`), text }],
    notes: [
      `systemd hands the service copies of ${path.dirname(client.file)}/${name}.* at each start: restart it after a change.`,
    ],
    commands: [...systemCommands(unit), `journalctl -u ${unit}    # its log`],
  };
}

function systemCommands(unit: string): string[] {
  return ['systemctl daemon-reload', `systemctl enable --now ${unit}`];
}

function describe(role: { readonly kind: 'relay' } | { readonly kind: 'client'; readonly name: string }) {
  return {
    description: role.kind === 'relay' ? 'Underpass relay' : `Underpass client of ${role.name}`,
    manual: `underpass-${role.kind}(1)`,
    canReload: role.kind === 'relay',
  };
}

function isLow(port: number | undefined): boolean {
  return port !== undefined && port > 0 && port < FIRST_UNPRIVILEGED_PORT;
}

export interface UninstallPlan {
  readonly unit: string;
  /** To be removed, if they exist: the unit, and the link that starts it. */
  readonly files: readonly string[];
  readonly notes: readonly string[];
  readonly commands: readonly string[];
}

export function planUninstall(
  role: { readonly kind: 'relay' } | { readonly kind: 'client'; readonly name: string },
  isUser: boolean,
  { directories }: Machine,
): UninstallPlan {
  const unit = unitName(role);
  const base = isUser ? directories.userUnits : directories.systemUnits;
  const target = isUser ? 'default.target' : 'multi-user.target';
  const isRelayOfSystem = role.kind === 'relay' && !isUser;
  const systemctl = isUser ? 'systemctl --user' : 'systemctl';
  return {
    unit,
    files: [
      path.join(base, `${target}.wants`, `${unit}.service`),
      path.join(base, `${unit}.service`),
      ...(isRelayOfSystem ? [path.join(directories.sysusers, 'underpass.conf')] : []),
    ],
    notes: isRelayOfSystem
      ? [`The relay's key and peers are still in ${STATE_DIRECTORY}, and its user still exists.`]
      : [],
    commands: [
      `${systemctl} stop ${unit}`,
      `${systemctl} daemon-reload`,
      ...(isRelayOfSystem
        ? [`rm -r ${STATE_DIRECTORY}    # only if this relay's key is no longer needed`]
        : []),
    ],
  };
}
