/** The options of `underpass check`. Its implementation is loaded only when it runs. */
import { Command } from 'commander';
import type { CheckFlags } from './check.js';
import { relayConfigOption } from './option-values.js';

export function checkCommand(): Command {
  return new Command('check')
    .description('Check config files, and say in words what they mean.')
    .addOption(
      relayConfigOption(
        'the config of a relay or a client (default: all that this user has in ~/.config/underpass)',
      ),
    )
    .addHelpText('after', '\nExample:\n  underpass check --config relay.toml')
    .action(async (flags: CheckFlags) => (await import('./check.js')).runCheck(flags));
}
