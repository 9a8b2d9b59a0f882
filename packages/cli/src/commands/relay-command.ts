/** The options of `underpass relay`. Its implementation is loaded only when it runs. */
import { Command } from 'commander';
import { fileOption, hostPortValue, keyLogOption, listenValue, logLevelOption } from './option-values.js';
import type { RelayFlags } from './relay.js';

export function relayCommand(): Command {
  return new Command('relay')
    .description('Run a relay. Clients whose keys it knows can reach the targets that its config allows.')
    .addOption(
      fileOption(
        '--config <file>',
        'a config file',
        'the config file (default: ~/.config/underpass/relay.toml, written if missing)',
      ),
    )
    .option('--listen <[host:]port>', 'where to listen, instead of where the config says', listenValue)
    .option(
      '--endpoint <host:port>',
      'where clients reach this relay, for the links of underpass invite',
      hostPortValue,
    )
    .addOption(keyLogOption())
    .addOption(logLevelOption())
    .addHelpText('after', '\nExample:\n  underpass relay --listen 51820')
    .action(async (flags: RelayFlags) => (await import('./relay.js')).runRelay(flags));
}
