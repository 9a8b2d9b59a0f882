/** `underpass client`: its options. What it does is loaded only when it is run. */
import { Command } from 'commander';
import type { ClientFlags } from './client.js';
import {
  connectTimeoutValue,
  fileOption,
  hostPortValue,
  keepaliveValue,
  keyLogOption,
  localForwardValue,
  logLevelOption,
  publicKeyValue,
} from './option-values.js';

const EXAMPLE = `
Example:
  underpass client --relay vpn.example.org:51820 --relay-key PUBLIC_KEY \\
    --key client.key -L 8080:localhost:80
  curl http://localhost:8080/`;

export function clientCommand(): Command {
  return new Command('client')
    .description('Forward local ports through a relay.')
    .addOption(fileOption('--config <file>', 'a config file', 'a client config file; or, without one:'))
    .option('--relay <host:port>', 'where the relay is', hostPortValue)
    .option('--relay-key <public-key>', "the relay's public key", publicKeyValue)
    .addOption(fileOption('--key <file>', 'a key file', "this client's private key file (mode 0600)"))
    .addOption(
      fileOption('--preshared-key <file>', 'a key file', 'a key file that both sides have (mode 0600)'),
    )
    .option(
      '-L, --local-forward <[bind:]port:host:hostport>',
      'forward a local port to a target as the relay sees it; may be repeated',
      localForwardValue,
    )
    .option('--persistent-keepalive <seconds>', 'send something at least this often (0: off)', keepaliveValue)
    .option(
      '--connect-timeout <seconds>',
      'reset a connection that waits so long for a relay that was not reached yet (default: 30, 0: never)',
      connectTimeoutValue,
    )
    .addOption(keyLogOption())
    .addOption(logLevelOption())
    .addHelpText('after', EXAMPLE)
    .action(async (flags: ClientFlags) => (await import('./client.js')).runClient(flags));
}
