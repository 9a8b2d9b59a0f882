/** The options of `underpass relay`. */
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

/** @param run  the implementation, which only a process that runs a relay loads */
export function relayCommand(run: (flags: RelayFlags) => Promise<void>): Command {
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
    .action((flags: RelayFlags) => run(flags));
}
