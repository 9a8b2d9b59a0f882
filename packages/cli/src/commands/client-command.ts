/** `underpass client`: its options. What it does is loaded only when it is run. */
import type { LocalForward } from '@underpass/forward';
import { Command } from 'commander';
import type { HostPort } from '../host-port.js';
import type { LogLevel } from '../log-level.js';
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

export interface ClientFlags {
  readonly config?: string;
  readonly relay?: HostPort;
  readonly relayKey?: Uint8Array;
  readonly key?: string;
  readonly presharedKey?: string;
  readonly localForward?: readonly LocalForward[];
  readonly persistentKeepalive?: number;
  readonly connectTimeout?: number;
  readonly keyLog?: string;
  readonly logLevel?: LogLevel;
}

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
