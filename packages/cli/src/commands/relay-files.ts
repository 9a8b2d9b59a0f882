/** What the commands that change a relay's peers have in common: its files, and the relay if it runs. */
import { existsSync } from 'node:fs';
import { type ListenRule, parseListenRule } from '@underpass/forward';
import { CliError, usageError } from '../cli-error.js';
import { closestName } from '../config/closest-name.js';
import { defaultRelayConfigFile } from '../config/default-paths.js';
import { loadRelayConfig, type RelayConfig, wipeKeys } from '../config/relay-config.js';
import { reloadRunningRelay } from '../control/ask-relay.js';
import { ExitCode } from '../exit-code.js';
import { storeDirectoryOf } from '../store/store-files.js';
import { loadStore, type StoredPeer, wipeStoredPeer } from '../store/stored-peer.js';
import { printErrorLine } from '../terminal.js';

/** What `underpass service install relay` writes. */
const SERVICE_UNIT = '/etc/systemd/system/underpass-relay.service';

export interface RelayFiles {
  /** The path of relay.toml. */
  readonly file: string;
  /** Without its secrets, which are wiped. */
  readonly config: RelayConfig;
  readonly store: string;
  readonly stored: readonly StoredPeer[];
}

/** @param file  the value of `--config`
 *  @throws CliError when there is no relay, ConfigError with everything that is wrong in its files */
export function readRelayFiles(file = defaultRelayConfigFile()): RelayFiles {
  if (!existsSync(file)) {
    throw new CliError(
      ExitCode.config,
      `this user has no relay: ${file} does not exist`,
      existsSync(SERVICE_UNIT)
        ? "the system's relay belongs to the user underpass: run this as sudo -u underpass underpass …"
        : 'start one with underpass relay, or give its config with --config',
    );
  }
  const config = loadRelayConfig(file);
  wipeKeys(config);
  const store = storeDirectoryOf(file);
  const stored = loadStore(store);
  for (const peer of stored) wipeStoredPeer(peer);
  return { file, config, store, stored };
}

/** The peer or invite of that name in the store.
 *  @throws CliError if it is not there, or is in relay.toml, which no command changes */
export function requireStored({ file, config, stored }: RelayFiles, name: string): StoredPeer {
  const found = stored.find((peer) => peer.name === name);
  if (found !== undefined) return found;
  if (config.peers.some((peer) => peer.name === name)) {
    throw new CliError(
      ExitCode.failure,
      `${name} is a [[peer]] of ${file}, which no command changes`,
      'edit the file and reload the relay: kill -HUP with its process id',
    );
  }
  const closest = closestName(
    name,
    stored.map((peer) => peer.name),
  );
  throw new CliError(
    ExitCode.failure,
    `no peer or invite is named ${name}`,
    closest === undefined ? 'underpass peers lists them' : `did you mean ${closest}?`,
  );
}

/** Parses rules that say where a peer may listen. This happens here and not with the other options, because the parser
 *  would make every command start more slowly.
 *  @param option  as messages call it */
export function listenRules(texts: readonly string[] = [], option: string): ListenRule[] {
  return texts.map((text) => {
    const rule = parseListenRule(text);
    if ('reason' in rule) throw usageError(`${option}: ${rule.reason}`);
    return rule;
  });
}

/** Makes a running relay follow the change, and says so if none runs.
 *  @throws CliError if it refuses its config, in which case it goes on as before */
export async function tellRelay(file: string): Promise<void> {
  if ((await reloadRunningRelay(file)) !== undefined) return;
  printErrorLine(`underpass: no relay of this user is running with ${file}: one that starts will know`);
}
