/** The options of `underpass invite`, `peers`, `allow` and `revoke`. Their implementations are loaded only when they
 *  run. */
import { Argument, Command } from 'commander';
import type { ChangeFlags } from './change-peers.js';
import type { InviteFlags } from './invite.js';
import {
  allowValue,
  endpointOption,
  expiresValue,
  maxRateValue,
  relayConfigOption,
} from './option-values.js';
import type { PeersFlags } from './peers.js';

const TARGET = 'HOST:PORT, CIDR:PORT or *.DOMAIN:PORT, as the relay sees it';
const CONFIG = "the relay's config (default: ~/.config/underpass/relay.toml)";
const PLACE = 'PORT for loopback, or ADDRESS:PORT';

export function inviteCommand(): Command {
  return new Command('invite')
    .description('Make a link with which one client can enrol at this relay, once.')
    .argument('<name>', 'what to call the client')
    .option('--allow <target...>', `what it may reach: ${TARGET}`, allowValue)
    .option('--allow-listen <rule...>', `where it may have this relay listen: ${PLACE}`)
    .option('--max-rate <rate>', 'what it may transfer in each direction, as in "10 MB/s"', maxRateValue)
    .option('--expires <time>', 'how long the link works, as in 90m, 24h or 7d (default: 24h)', expiresValue)
    .addOption(
      endpointOption(
        "where the client reaches this relay (default: the config's, or this machine's public address)",
      ),
    )
    .option('--qr', 'show a QR code too')
    .addOption(relayConfigOption(CONFIG))
    .addHelpText('after', '\nExample:\n  underpass invite laptop --allow localhost:8000 db.internal:5432')
    .action(async (name: string, flags: InviteFlags) => (await import('./invite.js')).runInvite(name, flags));
}

export function peersCommand(): Command {
  return new Command('peers')
    .description('List who may connect to this relay, and what each may reach.')
    .option('--json', 'as JSON, for programs')
    .addOption(relayConfigOption(CONFIG))
    .addHelpText('after', '\nExample:\n  underpass peers')
    .action(async (flags: PeersFlags) => (await import('./peers.js')).runPeers(flags));
}

export function allowCommand(): Command {
  return new Command('allow')
    .description('Let a peer of this relay reach more. A running relay follows at once.')
    .argument('<name>', 'the peer, or the invite')
    .addArgument(new Argument('[target...]', TARGET).argParser(allowValue))
    .option('--listen <rule...>', `where it may have this relay listen: ${PLACE}`)
    .option(
      '--max-rate <rate>',
      'what it may transfer in each direction, as in "10 MB/s"; none for no limit',
      (text: string) => (text === 'none' ? text : maxRateValue(text)),
    )
    .addOption(relayConfigOption(CONFIG))
    .addHelpText('after', '\nExample:\n  underpass allow laptop localhost:9000')
    .action(async (name: string, rules: Parameters<typeof allowValue>[1], flags: ChangeFlags) =>
      (await import('./change-peers.js')).runAllow(name, rules ?? [], flags),
    );
}

export function revokeCommand(): Command {
  return new Command('revoke')
    .description(
      'Remove a peer or an invite of this relay, or some of its rules. A running relay follows at once.',
    )
    .argument('<name>', 'the peer, or the invite')
    .addArgument(new Argument('[target...]', 'remove only these rules').argParser(allowValue))
    .option('--listen <rule...>', 'remove only these rules of where it may listen')
    .addOption(relayConfigOption(CONFIG))
    .addHelpText('after', '\nExample:\n  underpass revoke laptop')
    .action(async (name: string, rules: Parameters<typeof allowValue>[1], flags: ChangeFlags) =>
      (await import('./change-peers.js')).runRevoke(name, rules ?? [], flags),
    );
}
