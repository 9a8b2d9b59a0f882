/** Tells the config of a relay from that of a client, even if a key of it is misspelt. */
import path from 'node:path';
import { clientConfigKeys } from './client-config.js';
import { closestName } from './closest-name.js';
import { defaultRelayConfigFile, savedRelaysDirectory } from './default-paths.js';
import { relayConfigKeys } from './relay-config.js';
import type { TomlDocument } from './toml-document.js';

export type ConfigKind = 'relay' | 'client';

/** Keys without which nothing is one of the two. */
const TELLING_KEYS = { relay: ['listen', 'peer'], client: ['relay', 'relay_public_key'] } as const;

/** Looks at the telling keys first, then at the other keys that only one kind has, then at how keys may have been meant,
 *  and at last at where the file is.
 *  @returns `both` if the file has telling keys of both kinds, undefined if nothing tells */
export function configKind({ file, value }: TomlDocument): ConfigKind | 'both' | undefined {
  const keys = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  const telling = kindOfKeys(keys, TELLING_KEYS.relay, TELLING_KEYS.client);
  if (telling !== undefined) return telling;
  const [ofRelays, ofClients] = [relayConfigKeys(), clientConfigKeys()];
  const onlyRelay = ofRelays.filter((key) => !ofClients.includes(key));
  const onlyClient = ofClients.filter((key) => !ofRelays.includes(key));
  const all = [...new Set([...ofRelays, ...ofClients])];
  const meant = keys.map((key) => (all.includes(key) ? key : (closestName(key, all) ?? key)));
  for (const names of [keys, meant]) {
    const kind = kindOfKeys(names, onlyRelay, onlyClient);
    if (kind !== undefined && kind !== 'both') return kind;
  }
  const place = path.resolve(file);
  if (place === defaultRelayConfigFile()) return 'relay';
  return path.dirname(place) === savedRelaysDirectory() ? 'client' : undefined;
}

function kindOfKeys(
  keys: readonly string[],
  ofRelay: readonly string[],
  ofClient: readonly string[],
): ConfigKind | 'both' | undefined {
  const isRelay = keys.some((key) => ofRelay.includes(key));
  const isClient = keys.some((key) => ofClient.includes(key));
  if (isRelay && isClient) return 'both';
  return isRelay ? 'relay' : isClient ? 'client' : undefined;
}
