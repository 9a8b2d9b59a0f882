/** The options of `underpass client`. */
import { Command } from 'commander';
import type { ClientFlags } from './client.js';
import {
  captureOption,
  connectTimeoutValue,
  dynamicForwardValue,
  fileOption,
  hostPortValue,
  inspectOption,
  keepaliveValue,
  keyLogOption,
  localForwardValue,
  logLevelOption,
  metricsOption,
  publicKeyValue,
  qlogOption,
  reverseForwardValue,
  socketOption,
  stdioTargetValue,
  suiteOption,
  udpForwardValue,
} from './option-values.js';

const EXAMPLE = `
Example:
  underpass client LINK -L 8080:localhost:80       the first time
  underpass client vps -L 8080:localhost:80        from then on
  curl http://localhost:8080/`;

/** @param run  the implementation, which only a process that runs a client loads */
export function clientCommand(
  run: (relay: string | undefined, flags: ClientFlags) => Promise<void>,
): Command {
  return new Command('client')
    .description('Forward local ports through a relay.')
    .argument('[relay]', "the link of an invite, to enrol; - to read it from stdin; or a saved relay's name")
    .option(
      '--as <name>',
      'the name under which to save the relay of a link (default: the one that it gives)',
    )
    .addOption(
      fileOption('--config <file>', 'a config file', 'a client config file, instead of the next four'),
    )
    .option('--relay <host:port>', "the relay's name or address", hostPortValue)
    .option('--relay-key <public-key>', "the relay's public key", publicKeyValue)
    .addOption(fileOption('--key <file>', 'a key file', "this client's private key file (mode 0600)"))
    .addOption(
      fileOption('--preshared-key <file>', 'a key file', 'a key file that the relay has too (mode 0600)'),
    )
    .option(
      '-L, --local-forward <[bind:]port:host:hostport>',
      'forward a local port to a target as the relay sees it; may be repeated',
      localForwardValue,
    )
    .option(
      '-D, --dynamic-forward <[bind:]port>',
      'let programs choose the target by SOCKS or HTTP CONNECT; names are resolved by the relay',
      dynamicForwardValue,
    )
    .option(
      '--proxy-protocol',
      'tell the targets of all -L and -R who connected, by a PROXY protocol header (version 2); for one of them: -L ...,proxy-protocol',
    )
    .option(
      '-R, --reverse-forward <[bind:]port:host:hostport>',
      'have the relay listen on a port, and forward it to a target as this client sees it; may be repeated',
      reverseForwardValue,
    )
    .option(
      '-W, --stdio <host:port>',
      "carry standard input and output to a target, for ssh's ProxyCommand; nothing else is forwarded",
      stdioTargetValue,
    )
    .option(
      '-U, --udp-forward <[bind:]port:host:hostport>',
      'forward a local UDP port in the same way; may be repeated',
      udpForwardValue,
    )
    .option(
      '--persistent-keepalive <seconds>',
      'send something this often even when idle (0: off)',
      keepaliveValue,
    )
    .option(
      '--connect-timeout <seconds>',
      'how long a connection waits for first contact with the relay (default: 30, 0: forever)',
      connectTimeoutValue,
    )
    .addOption(metricsOption())
    .addOption(suiteOption())
    .addOption(socketOption())
    .addOption(keyLogOption())
    .addOption(captureOption())
    .addOption(qlogOption())
    .addOption(inspectOption())
    .addOption(logLevelOption())
    .addHelpText('after', EXAMPLE)
    .action((relay: string | undefined, flags: ClientFlags) => run(relay, flags));
}
