/** The options of `underpass relay`. Its implementation is loaded only when it runs. */
import { Command } from 'commander';
import {
  captureOption,
  endpointOption,
  inspectOption,
  keyLogOption,
  listenOption,
  logLevelOption,
  metricsOption,
  qlogOption,
  relayConfigOption,
  socketOption,
  suiteOption,
  workersOption,
} from './option-values.js';
import type { RelayFlags } from './relay.js';

export function relayCommand(): Command {
  return new Command('relay')
    .description('Run a relay. Clients whose keys it knows can reach the targets that its config allows.')
    .addOption(
      relayConfigOption('the config file (default: ~/.config/underpass/relay.toml, written if missing)'),
    )
    .addOption(listenOption('where to listen, instead of where the config says'))
    .addOption(endpointOption('where clients reach this relay, for the links of underpass invite'))
    .addOption(metricsOption())
    .addOption(workersOption())
    .addOption(suiteOption())
    .addOption(socketOption())
    .addOption(keyLogOption())
    .addOption(captureOption())
    .addOption(qlogOption())
    .addOption(inspectOption())
    .addOption(logLevelOption())
    .addHelpText('after', '\nExample:\n  underpass relay --listen 51820')
    .action(async (flags: RelayFlags) => (await import('./relay.js')).runRelay(flags));
}
