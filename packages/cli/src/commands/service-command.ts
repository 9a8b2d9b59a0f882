/** The options of `underpass service`. Its implementation is loaded only when it runs. */
import { Command } from 'commander';
import { fileOption } from './option-values.js';
import type { ServiceFlags } from './service.js';

export function serviceCommand(): Command {
  return new Command('service')
    .description('Install or remove a systemd service that runs a relay or a client.')
    .addHelpText('after', '\nExample:\n  sudo underpass service install relay')
    .addCommand(
      withTarget(new Command('install'))
        .description('Write the unit, and say what to run next.')
        .addOption(
          fileOption(
            '--config <file>',
            'a config file',
            'the config file of a client, or of a relay with --user',
          ),
        )
        .addHelpText(
          'after',
          '\nExamples:\n  sudo underpass service install relay\n  underpass service install client home',
        )
        .action(async (kind: string, name: string | undefined, flags: ServiceFlags) =>
          (await import('./service.js')).runInstall(kind, name, flags),
        ),
    )
    .addCommand(
      withTarget(new Command('uninstall'))
        .description('Remove the unit, and say what to run next. Keys and config files stay.')
        .addHelpText('after', '\nExample:\n  sudo underpass service uninstall relay')
        .action(async (kind: string, name: string | undefined, flags: ServiceFlags) =>
          (await import('./service.js')).runUninstall(kind, name, flags),
        ),
    );
}

function withTarget(command: Command): Command {
  return command
    .argument('[relay|client]', 'what the service runs', 'relay')
    .argument('[name]', "a client's relay, as in underpass client NAME")
    .option('--user', 'a service of this user, not of the system (the default unless root)')
    .option('--dry-run', 'print what would be done, and change nothing');
}
