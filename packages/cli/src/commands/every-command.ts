/** Every command, in the order of the help. */
import type { Command } from 'commander';
import { programOf } from '../program.js';
import { checkCommand } from './check-command.js';
import { clientCommand } from './client-command.js';
import { completionCommand } from './completion-command.js';
import { demoCommand } from './demo.js';
import { doctorCommand } from './doctor-command.js';
import { importCommand } from './import-command.js';
import { keygenCommand } from './keygen.js';
import { allowCommand, inviteCommand, peersCommand, revokeCommand } from './peer-commands.js';
import { pubkeyCommand } from './pubkey.js';
import { relayCommand } from './relay-command.js';
import { serviceCommand } from './service-command.js';
import { statusCommand } from './status-command.js';

export function everyCommand(): readonly Command[] {
  return [
    keygenCommand(),
    pubkeyCommand(),
    relayCommand(async (flags) => (await import('./relay.js')).runRelay(flags)),
    clientCommand(async (relay, flags) => (await import('./client.js')).runClient(relay, flags)),
    inviteCommand(),
    peersCommand(),
    allowCommand(),
    revokeCommand(),
    statusCommand(),
    doctorCommand(),
    checkCommand(),
    importCommand(),
    serviceCommand(),
    demoCommand(),
    completionCommand(),
  ];
}

/** The whole program, without running any command. */
export function buildProgram(): Command {
  return programOf(everyCommand());
}
