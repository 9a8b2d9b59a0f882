/** Decides which files an imported WireGuard file becomes: those of a client, or those of a relay. */
import path from 'node:path';
import { formatTarget } from '@underpass/forward';
import { CliError } from '../cli-error.js';
import { DEFAULT_RELAY_PORT } from '../config/first-relay-config.js';
import { ExitCode } from '../exit-code.js';
import { encodeKey } from '../key-text.js';
import type { WireguardFile, WireguardPeer } from './wireguard-file.js';

export interface ImportPlan {
  readonly kind: 'relay' | 'client';
  /** The config file. It is written last, because it names the others. */
  readonly config: { readonly path: string; readonly text: string };
  readonly keys: readonly { readonly path: string; readonly key: Uint8Array }[];
}

export interface ImportPlaces {
  /** The file's name without its directory, for the comment at the start of the config. */
  readonly source: string;
  /** What to call the relay, and the directory of the clients' configs. */
  readonly clientName: string;
  readonly clientDirectory: string;
  /** The path of a relay's config. */
  readonly relayConfig: string;
}

/** A file with one peer that has an endpoint is a client's; one whose peers have none is a server's.
 *  @throws CliError if it is neither */
export function planImport(file: WireguardFile, places: ImportPlaces): ImportPlan {
  const [peer] = file.peers;
  if (peer === undefined) throw neither(places, 'it has no [Peer]');
  const { endpoint } = peer;
  if (file.peers.length === 1 && endpoint !== undefined) {
    return planClient(file, { ...peer, endpoint }, places);
  }
  if (file.peers.some((each) => each.endpoint !== undefined)) {
    throw neither(places, 'it has several peers, and some have an Endpoint');
  }
  return planRelay(file, places);
}

function planClient(
  { privateKey }: WireguardFile,
  peer: WireguardPeer & { readonly endpoint: NonNullable<WireguardPeer['endpoint']> },
  { source, clientName: name, clientDirectory: directory }: ImportPlaces,
): ImportPlan {
  const { endpoint, publicKey, presharedKey, keepaliveSeconds } = peer;
  const lines = [
    `# Imported from ${source}. To connect: underpass client ${name}`,
    '',
    `relay = ${JSON.stringify(formatTarget(endpoint))}`,
    `relay_public_key = "${encodeKey(publicKey)}"`,
    `private_key_file = "${name}.key"`,
    ...(presharedKey === undefined ? [] : [`preshared_key_file = "${name}.psk"`]),
    ...(keepaliveSeconds === undefined ? [] : [`persistent_keepalive_seconds = ${keepaliveSeconds}`]),
    '',
    '# Forwards that are opened each time, besides those of the command line.',
    '# local_forwards = ["8080:localhost:80"]',
    '',
  ];
  return {
    kind: 'client',
    config: { path: path.join(directory, `${name}.toml`), text: lines.join('\n') },
    keys: [
      { path: path.join(directory, `${name}.key`), key: privateKey },
      ...(presharedKey === undefined
        ? []
        : [{ path: path.join(directory, `${name}.psk`), key: presharedKey }]),
    ],
  };
}

function planRelay({ privateKey, listenPort, peers }: WireguardFile, places: ImportPlaces): ImportPlan {
  const { source, relayConfig } = places;
  const directory = path.dirname(relayConfig);
  const names = uniqueNames(peers);
  const keys = [{ path: path.join(directory, 'relay.key'), key: privateKey }];
  const tables = peers.map(({ publicKey, presharedKey }, index) => {
    const name = names[index] ?? '';
    if (presharedKey !== undefined)
      keys.push({ path: path.join(directory, `${name}.psk`), key: presharedKey });
    return [
      '[[peer]]',
      `name = "${name}"`,
      `public_key = "${encodeKey(publicKey)}"`,
      ...(presharedKey === undefined ? [] : [`preshared_key_file = "${name}.psk"`]),
      'allow = []',
      '',
    ].join('\n');
  });
  const head = `# Imported from ${source}. AllowedIPs were not copied: they say which addresses a peer has in the VPN. \`allow\`
# says what it may reach from this machine, for example ["localhost:80"], and is empty at first.

listen = "${listenPort ?? DEFAULT_RELAY_PORT}"
private_key_file = "relay.key"
`;
  return { kind: 'relay', config: { path: relayConfig, text: [head, ...tables].join('\n') }, keys };
}

/** A peer without a name of its own is called after its number. */
function uniqueNames(peers: readonly WireguardPeer[]): string[] {
  const taken = new Set<string>();
  return peers.map(({ name }, index) => {
    const wanted = name === undefined || taken.has(name) ? `peer-${index + 1}` : name;
    const free = taken.has(wanted) ? `peer-${index + 1}-${taken.size}` : wanted;
    taken.add(free);
    return free;
  });
}

function neither({ source }: ImportPlaces, why: string): CliError {
  return new CliError(
    ExitCode.config,
    `${source} is neither a client's file nor a server's: ${why}`,
    'expected one peer with an Endpoint, or peers without',
  );
}
