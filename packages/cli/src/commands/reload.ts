/** SIGHUP and the control socket: reloads the relay's config. */
import { statSync } from 'node:fs';
import type { Relay, SharedRelay } from '@underpass/relay';
import type { Log } from '@underpass/runtime';
import { CliError } from '../cli-error.js';
import { loadRelayConfig, type RelayConfig, type RelaySettings, wipeKeys } from '../config/relay-config.js';
import type { ReloadReport } from '../control/relay-control.js';
import { ExitCode } from '../exit-code.js';
import { failureTexts } from '../failure-lines.js';
import type { ListenAddress } from '../host-port.js';
import { encodeKey } from '../key-text.js';
import { prepareForTraffic, prepareToStart } from '../v8-flags.js';

/** What a running relay goes by. */
export interface RunningSettings {
  /** The settings with which it was started. */
  readonly atStart: RelaySettings;
  /** The relay's name, which a reload can change. */
  name: string | undefined;
}

/** Reads the list of peers again. Peers that stay keep every stream. An invalid file changes nothing.
 *  @throws what is wrong with the file, which has been logged */
export async function reload(
  relay: Pick<Relay | SharedRelay, 'setPeers'>,
  file: string,
  running: RunningSettings,
  log: Log,
): Promise<ReloadReport> {
  prepareToStart();
  try {
    // Opening a pipe would block the whole program until another process writes to it.
    if (statSync(file, { throwIfNoEntry: false })?.isFIFO()) {
      throw new CliError(ExitCode.config, `${file} is a pipe`, 'only a config in a file can be read again');
    }
    const config = loadRelayConfig(file);
    const oldName = running.name;
    running.name = config.name; // workers learn it together with their peers
    try {
      await apply(relay, config);
    } catch (error) {
      running.name = oldName;
      throw error;
    }
    const count = config.peers.length;
    log.info(
      { event: 'reloaded', peers: count },
      `reloaded ${file}: ${clientsText(count, config.invites.length)}`,
    );
    const keys = changedForRestart(running.atStart, config);
    if (keys.length > 0) {
      const what = keys.length === 1 ? `${keys[0]} takes` : `${keys.join(', ')} take`;
      log.warn(
        { event: 'restart-needed', keys },
        `a changed ${what} effect only when the relay is restarted`,
      );
    }
    return { peers: count, restartNeeded: keys };
  } catch (error) {
    for (const line of failureTexts(error)) log.error({ event: 'reload-failed' }, `not reloaded: ${line}`);
    throw error;
  } finally {
    prepareForTraffic();
  }
}

/** The same, for a signal: nobody waits for the outcome. */
export async function reloadOnSignal(...parameters: Parameters<typeof reload>): Promise<void> {
  try {
    await reload(...parameters);
  } catch {
    // It is in the log.
  }
}

/** Who may connect. Invites count too: a reload often follows a new one. */
export function clientsText(peers: number, invites: number): string {
  return [counted(peers, 'peer'), ...(invites > 0 ? [counted(invites, 'invite')] : [])].join(' and ');
}

function counted(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

/** Hands the lists over, and wipes their keys as soon as the relay has its own copies. */
function apply(relay: Pick<Relay | SharedRelay, 'setPeers'>, config: RelayConfig): void | Promise<void> {
  try {
    return relay.setPeers(config.peers, config.invites);
  } finally {
    wipeKeys(config);
  }
}

/** The keys of relay.toml that changed but take effect only at a restart. */
function changedForRestart(running: RelaySettings, config: RelaySettings): string[] {
  const same: Readonly<Record<string, boolean>> = {
    listen: isSameAddress(config.listen, running.listen),
    private_key_file: encodeKey(config.publicKey) === encodeKey(running.publicKey),
    congestion: config.congestion === running.congestion,
    memory_per_peer_mib: config.memoryPerPeerBytes === running.memoryPerPeerBytes,
    max_outage_hours: config.maxOutageMs === running.maxOutageMs,
    idle_timeout_minutes: config.idleTimeoutMs === running.idleTimeoutMs,
    workers: config.workers === running.workers,
    metrics: isSameAddress(config.metrics, running.metrics),
    'log.level': config.logLevel === running.logLevel,
  };
  return Object.keys(same).filter((key) => same[key] === false);
}

function isSameAddress(a: ListenAddress | undefined, b: ListenAddress | undefined): boolean {
  return a?.host === b?.host && a?.port === b?.port;
}
