/** A relay's control socket: who is connected, and reload. */
import type { Relay, RelayEvent, SharedRelay } from '@underpass/relay';
import type { Log } from '@underpass/runtime';
import { relaySocketName } from './control-name.js';
import type { ControlServer } from './control-server.js';
import type { EventFeed } from './event-feed.js';
import { openControl } from './open-control.js';
import { relayFacts, relayReport } from './relay-report.js';

export interface RelayControlOptions {
  readonly relay: Relay | SharedRelay;
  /** The path of the config file. */
  readonly config: string;
  readonly publicKey: Uint8Array;
  /** `HOST:PORT`, where clients reach it. */
  readonly endpoint?: string | undefined;
  /** Reads the config again. Throws what is wrong with it. */
  readonly reload: () => Promise<ReloadReport>;
  readonly feed: EventFeed<RelayEvent>;
  readonly log: Log;
}

/** The answer to `POST /reload`. */
export interface ReloadReport {
  readonly peers: number;
  /** Changed keys of the config that take effect at the next start. */
  readonly restartNeeded: readonly string[];
}

/** Opens the control socket. A relay is useful without one, so a failure is a line in the log. */
export async function openRelayControl(options: RelayControlOptions): Promise<ControlServer | undefined> {
  const { relay, config, publicKey, endpoint, reload, feed, log } = options;
  const facts = relayFacts(config, publicKey, endpoint);
  return openControl(relaySocketName(config), log, {
    'GET /status': async () => relayReport(facts, await relay.status()),
    'GET /events': (_body, exchange) => {
      feed.add(exchange);
      return undefined;
    },
    'POST /reload': () => reload(),
  });
}
