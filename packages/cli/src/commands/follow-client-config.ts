/** Makes a running client follow its config file. */
import type { BoundForward, Client } from '@underpass/client';
import type { Forward } from '@underpass/forward';
import { type Log, systemTimers, type Timers } from '@underpass/runtime';
import { type ClientConfig, loadClientConfig } from '../config/client-config.js';
import { ConfigWatch } from '../config/config-watch.js';
import { failureTexts } from '../failure-lines.js';
import { isSameKey } from '../key-text.js';
import { logForward } from './client-log.js';

/** A config as it was read. */
export interface LoadedClientConfig {
  readonly file: string;
  /** From `configVersion`, before it was read. */
  readonly version: string | undefined;
  /** Without what the command line adds. Its secret keys may have been wiped. */
  readonly config: ClientConfig;
}

type Forwards = Pick<Client, 'addForward' | 'removeForward'>;

/** Opens the forwards that a changed config adds and closes those that it drops, whose connections go on.
 *
 *  It owns the watch of the file, and knows which forwards came from it: those of the command line and of joined
 *  processes are not its business. One change at a time is carried out. A config with mistakes changes nothing, and a
 *  forward that cannot be opened is left out until the next change. */
export class ClientConfigFollower {
  readonly #loaded: LoadedClientConfig;
  readonly #client: Forwards;
  readonly #log: Log;
  readonly #watch: ConfigWatch;
  #current: readonly Forward[];
  #work: Promise<void> = Promise.resolve();

  constructor(loaded: LoadedClientConfig, client: Forwards, log: Log, timers: Timers = systemTimers) {
    this.#loaded = loaded;
    this.#client = client;
    this.#log = log;
    this.#current = loaded.config.forwards;
    this.#watch = new ConfigWatch(loaded.file, loaded.version, () => void this.reload(), timers);
  }

  close(): void {
    this.#watch.close();
  }

  /** Reads the config again. Resolves when the client follows it; never rejects. */
  reload(): Promise<void> {
    this.#work = this.#work.then(() => this.#reload()).catch((error: unknown) => this.#logFailure(error));
    return this.#work;
  }

  async #reload(): Promise<void> {
    const { file } = this.#loaded;
    const config = loadClientConfig(file);
    config.privateKey.fill(0);
    config.presharedKey?.fill(0);
    const before = this.#current;
    const isIn = (list: readonly Forward[], { kind, text }: Forward): boolean =>
      list.some((other) => other.kind === kind && other.text === text);
    const kept = before.filter((forward) => isIn(config.forwards, forward));
    for (const forward of before) if (!kept.includes(forward)) await this.#client.removeForward(forward);
    const opened: BoundForward[] = [];
    for (const forward of config.forwards) {
      if (isIn(before, forward)) continue;
      try {
        opened.push(await this.#client.addForward(forward));
      } catch (error) {
        this.#logFailure(error);
      }
    }
    this.#current = [...kept, ...opened.map(({ spec }) => spec)];
    this.#report(config, before.length - kept.length, opened);
  }

  #report(config: ClientConfig, closed: number, opened: readonly BoundForward[]): void {
    const { file, config: running } = this.#loaded;
    const forwards = this.#current.length;
    this.#log.info(
      { event: 'reloaded', forwards },
      `reloaded ${file}: ${forwards} ${forwards === 1 ? 'forward' : 'forwards'}, ${opened.length} new, ${closed} closed`,
    );
    for (const forward of opened) logForward(this.#log, forward);
    const keys = changedForRestart(running, config);
    if (keys.length === 0) return;
    const what = keys.length === 1 ? `${keys[0]} takes` : `${keys.join(', ')} take`;
    this.#log.warn(
      { event: 'restart-needed', keys },
      `a changed ${what} effect only when the client is restarted`,
    );
  }

  #logFailure(error: unknown): void {
    for (const line of failureTexts(error)) {
      this.#log.error({ event: 'reload-failed' }, `not reloaded: ${line}`);
    }
  }
}

/** The keys that changed but take effect only at a restart. */
function changedForRestart(running: ClientConfig, config: ClientConfig): string[] {
  const same: Readonly<Record<string, boolean>> = {
    relay: config.relay.host === running.relay.host && config.relay.port === running.relay.port,
    relay_public_key: isSameKey(config.relayPublicKey, running.relayPublicKey),
    private_key_file: isSameKey(config.publicKey, running.publicKey),
    persistent_keepalive_seconds: config.persistentKeepaliveSeconds === running.persistentKeepaliveSeconds,
    connect_timeout_seconds: config.connectTimeoutSeconds === running.connectTimeoutSeconds,
    congestion: config.congestion === running.congestion,
    memory_per_peer_mib: config.memoryPerPeerBytes === running.memoryPerPeerBytes,
    metrics: JSON.stringify(config.metrics) === JSON.stringify(running.metrics),
    'log.level': config.logLevel === running.logLevel,
  };
  return Object.keys(same).filter((key) => same[key] === false);
}
