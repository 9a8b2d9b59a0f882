/** The options of `underpass status`. Its implementation is loaded only when it runs. */
import { Command } from 'commander';
import type { StatusFlags } from './status.js';

export function statusCommand(): Command {
  return new Command('status')
    .description('Show what the running relays and clients of this user are doing.')
    .argument('[name]', 'only the relay or client of this name')
    .option('--json', 'as JSON, for programs')
    .option('--watch', 'every second, until q or Ctrl-C')
    .addHelpText('after', '\nExample:\n  underpass status --json')
    .action(async (name: string | undefined, flags: StatusFlags) =>
      (await import('./status.js')).runStatus(name, flags),
    );
}
