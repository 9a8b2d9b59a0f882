/** A client's control socket: what it carries. */
import type { Client } from '@underpass/client';
import type { Log } from '@underpass/runtime';
import { type ClientFacts, clientReport } from './client-report.js';
import { clientSocketName } from './control-name.js';
import type { ControlServer } from './control-server.js';
import { openControl } from './open-control.js';

export interface ClientControlOptions {
  readonly client: Client;
  readonly facts: ClientFacts;
  readonly log: Log;
}

/** Opens the control socket. A client is useful without one, so a failure is a line in the log. */
export async function openClientControl(options: ClientControlOptions): Promise<ControlServer | undefined> {
  const { client, facts, log } = options;
  return openControl(clientSocketName(facts.publicKey, facts.relayPublicKey), log, {
    'GET /status': () => clientReport(facts, client.status()),
  });
}
