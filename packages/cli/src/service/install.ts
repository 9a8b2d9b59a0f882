/** Carries out the plans for a service, and says what was done and what to run next. */
import { existsSync, readFileSync, unlinkSync } from 'node:fs';
import path from 'node:path';
import { CliError, systemReason } from '../cli-error.js';
import { ExitCode } from '../exit-code.js';
import { makeDirectory } from '../make-directory.js';
import { writeFileWhole } from '../write-file.js';
import { type Machine, requireReadableByServices } from './machine.js';
import type { InstallPlan, PlannedFile, UninstallPlan } from './plan.js';

export interface Execution {
  /** Prints what would be written, and writes nothing. */
  readonly dryRun: boolean;
  readonly isUser: boolean;
  readonly machine: Machine;
  readonly print: (text: string) => void;
}

/** @throws CliError where there is no systemd, without the rights, or if a file cannot be written */
export function install(plan: InstallPlan, { dryRun, isUser, machine, print }: Execution): void {
  if (dryRun) {
    for (const { path: file, text } of plan.files) print(`# ${file}\n${text}`);
    return;
  }
  requireSystemd(machine);
  if (!isUser) {
    requireRoot(machine, 'install');
    requireReadableByServices(machine);
  }
  for (const file of plan.files) print(write(file));
  printRest(plan, isUser, print);
}

/** @throws CliError as `install` */
export function uninstall(plan: UninstallPlan, { dryRun, isUser, machine, print }: Execution): void {
  const present = plan.files.filter((file) => existsSync(file));
  if (dryRun) {
    for (const file of present) print(`Would remove ${file}`);
    if (present.length === 0) print(`Would remove nothing: ${plan.unit} is not installed (${placeOf(plan)})`);
    return;
  }
  requireSystemd(machine);
  if (!isUser) requireRoot(machine, 'uninstall');
  if (present.length === 0) {
    throw new CliError(
      ExitCode.failure,
      `the service ${plan.unit} is not installed (${placeOf(plan)})`,
      isUser
        ? 'if it is a service of the system, run this as root'
        : 'if it is a service of your user, give --user',
    );
  }
  for (const file of present) print(remove(file));
  printRest(plan, isUser, print);
}

/** The directory of the unit. */
function placeOf({ files }: UninstallPlan): string {
  return path.dirname(files[1] ?? '');
}

function printRest(
  { notes, commands }: Pick<InstallPlan, 'notes' | 'commands'>,
  isUser: boolean,
  print: (text: string) => void,
): void {
  const sudo = isUser ? '' : 'sudo ';
  for (const note of notes) print(note);
  print(`\nNow run:\n${commands.map((command) => `  ${sudo}${command}`).join('\n')}`);
}

function requireSystemd({ runsSystemd }: Machine): void {
  if (runsSystemd) return;
  throw new CliError(
    ExitCode.failure,
    'this machine does not run systemd, so it has no services to install',
    'underpass service install --dry-run prints the unit; in a container, run underpass relay itself',
  );
}

function requireRoot({ isRoot }: Machine, command: string): void {
  if (isRoot) return;
  throw new CliError(
    ExitCode.failure,
    'only root can change the services of the system',
    `run: sudo underpass service ${command} …, or give --user for a service of your own user`,
  );
}

function write({ path: file, text }: PlannedFile): string {
  try {
    if (existsSync(file) && readFileSync(file, 'utf8') === text) return `Unchanged: ${file}`;
    makeDirectory(path.dirname(file));
    writeFileWhole(file, text, { mode: 0o644, replace: true });
    return `Wrote ${file}`;
  } catch (error) {
    throw new CliError(ExitCode.failure, `cannot write ${file}: ${systemReason(error)}`, '', {
      cause: error,
    });
  }
}

function remove(file: string): string {
  try {
    unlinkSync(file);
    return `Removed ${file}`;
  } catch (error) {
    throw new CliError(ExitCode.failure, `cannot remove ${file}: ${systemReason(error)}`, '', {
      cause: error,
    });
  }
}
