/** The options of `underpass import`. Its implementation is loaded only when it runs. */
import { Command } from 'commander';
import type { ImportFlags } from './import.js';
import { fileOption } from './option-values.js';

export function importCommand(): Command {
  return new Command('import')
    .description(
      'Take keys and endpoint from a WireGuard file: a client config or a relay config is written.',
    )
    .argument('<file>', 'the WireGuard file, such as wg0.conf')
    .option('--as <name>', "what to call a client's relay (default: the file's name)")
    .addOption(
      fileOption(
        '--config <file>',
        'a config file',
        "where to write a relay's config (default: ~/.config/underpass/relay.toml)",
      ),
    )
    .addHelpText(
      'after',
      '\nExample:\n  underpass import wg0.conf --as vps\n  underpass client vps -L 8080:localhost:80',
    )
    .action(async (file: string, flags: ImportFlags) => (await import('./import.js')).runImport(file, flags));
}
