/** The names of control sockets: short, because the path of a unix socket may have about 100 bytes, and the same for
 *  everything that may run only once. */
import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';

/** One for each config file, whatever path leads to it. */
export function relaySocketName(configFile: string): string {
  return `relay-${shortHash([realpathSync(configFile)])}.sock`;
}

/** One for each pair of keys: a second client with the same keys would take over the first one's connection. */
export function clientSocketName(publicKey: Uint8Array, relayPublicKey: Uint8Array): string {
  return `client-${shortHash([publicKey, relayPublicKey])}.sock`;
}

function shortHash(parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex').slice(0, 12);
}
