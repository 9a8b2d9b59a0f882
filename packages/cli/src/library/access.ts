/** Where a tunnel's relay is, and the keys for it: from options, a config file or a saved relay. */
import { UnderpassError } from '@underpass/runtime/errors';
import { CliError } from '../cli-error.js';
import type { ClientConfig } from '../config/client-config.js';
import { parseHostPort } from '../host-port.js';
import { isSameKey } from '../key-text.js';
import { DEFAULT_CONNECT_TIMEOUT_SECONDS } from '../limits.js';
import { publicKeyOf } from '../public-key.js';
import type { ConfigFileOptions, KeyOptions } from './api.js';
import { keyIn } from './keys.js';

/** The caller wipes the keys. */
export type Access = Pick<
  ClientConfig,
  | 'relay'
  | 'relayPublicKey'
  | 'privateKey'
  | 'publicKey'
  | 'presharedKey'
  | 'congestion'
  | 'memoryPerPeerBytes'
> & {
  readonly persistentKeepaliveMs: number;
  readonly connectTimeoutMs: number;
  /** What `underpass status` calls the client; undefined when the keys come from options, because then there is no
   *  control socket. */
  readonly name: string | undefined;
};

/** @throws UnderpassError */
export async function accessOf(relay: string | ConfigFileOptions | KeyOptions): Promise<Access> {
  if (typeof relay === 'string' || 'config' in relay) return accessInFile(relay);
  return accessInOptions(relay);
}

async function accessInFile(relay: string | ConfigFileOptions): Promise<Access> {
  // Loaded only here: a program that gives its keys needs no parser of config files.
  const [{ loadClientConfig }, { savedRelay }] = await Promise.all([
    import('../config/client-config.js'),
    import('../config/saved-relays.js'),
  ]);
  try {
    const saved = typeof relay === 'string' ? savedRelay(relay) : undefined;
    const config = loadClientConfig(saved?.file ?? (relay as ConfigFileOptions).config);
    return {
      ...config,
      persistentKeepaliveMs: config.persistentKeepaliveSeconds * 1000,
      connectTimeoutMs: config.connectTimeoutSeconds * 1000,
      name: saved?.name ?? config.relay.host,
    };
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    throw new UnderpassError('invalid-config', error.message, error.hint, { cause: error });
  }
}

function accessInOptions(options: KeyOptions): Access {
  const relay = parseHostPort(options.relay);
  if (relay === undefined) {
    throw new UnderpassError(
      'invalid-option',
      `relay: '${options.relay}' is not a host and a port`,
      'expected HOST:PORT, for example vpn.example.org:51820, IPv6 in brackets',
    );
  }
  const relayPublicKey = keyIn(options.relayPublicKey, 'relayPublicKey');
  const privateKey = keyIn(options.privateKey, 'privateKey');
  const publicKey = publicKeyOf(privateKey);
  let presharedKey: Uint8Array | undefined;
  try {
    if (isSameKey(relayPublicKey, publicKey) || isSameKey(relayPublicKey, privateKey)) {
      throw new UnderpassError(
        'invalid-option',
        "relayPublicKey is this program's own key",
        "give the relay's",
      );
    }
    if (options.presharedKey !== undefined) presharedKey = keyIn(options.presharedKey, 'presharedKey');
  } catch (error) {
    privateKey.fill(0);
    throw error;
  }
  return {
    relay,
    relayPublicKey,
    privateKey,
    publicKey,
    presharedKey,
    persistentKeepaliveMs: options.persistentKeepaliveMs ?? 0,
    connectTimeoutMs: DEFAULT_CONNECT_TIMEOUT_SECONDS * 1000,
    name: undefined,
    congestion: undefined,
    memoryPerPeerBytes: undefined,
  };
}
