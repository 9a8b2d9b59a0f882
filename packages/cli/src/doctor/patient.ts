/** The client that `underpass doctor` examines: the one that runs with these keys, or one of its own. */
import { type DisconnectCause, startClient } from '@underpass/client';
import { formatTarget, type ProbeOptions, type ProbeOutcome, type Target } from '@underpass/forward';
import { silentLog } from '@underpass/runtime';
import type { ClientConfig } from '../config/client-config.js';
import { checkTarget, PROBE_ANSWER_MS, probePath, type TargetOutcome } from '../control/check-path.js';
import { claimClient } from '../control/claim-client.js';
import { type ClientFacts, type ClientReport, clientReport } from '../control/client-report.js';
import { askControl } from '../control/control-client.js';

export interface Patient {
  /** The process that runs it, if it is another one. */
  readonly pid: number | undefined;
  status(): Promise<ClientReport>;
  /** Why the connection ended last, if that is known. */
  readonly lastEnd: { readonly cause: DisconnectCause; readonly reason: string } | undefined;
  /** Whether the path was found to fragment datagrams. */
  readonly fragments: boolean;
  check(target: Target): Promise<TargetOutcome>;
  probe(options: ProbeOptions): Promise<ProbeOutcome>;
  close(): Promise<void>;
}

/** Joins the client that runs with these keys, or starts one: two would end each other's connections. */
export async function openPatient(config: ClientConfig, name: string): Promise<Patient> {
  const { relay, publicKey, relayPublicKey } = config;
  const facts = { name, endpoint: formatTarget(relay), publicKey, relayPublicKey };
  const claim = await claimClient(facts, silentLog);
  if (claim.kind === 'taken') return runningPatient(claim.socket);
  try {
    return await ownPatient(config, facts, claim.control.close);
  } catch (error) {
    claim.control.close();
    throw error;
  }
}

async function runningPatient(socket: string): Promise<Patient> {
  const status = (): Promise<ClientReport> =>
    askControl<ClientReport>({ socket, method: 'GET', path: '/status' });
  const { pid } = await status();
  return {
    pid,
    status,
    lastEnd: undefined,
    fragments: false,
    check: async (target) => {
      const body = { target: formatTarget(target) };
      const request = { socket, method: 'POST', path: '/check', body, timeoutMs: PROBE_ANSWER_MS } as const;
      return (await askControl<{ readonly outcome: TargetOutcome }>(request)).outcome;
    },
    probe: (options) =>
      askControl({ socket, method: 'POST', path: '/probe', body: options, timeoutMs: 2 * PROBE_ANSWER_MS }),
    close: () => Promise.resolve(),
  };
}

async function ownPatient(
  config: ClientConfig,
  facts: ClientFacts,
  releaseClaim: () => void,
): Promise<Patient> {
  let lastEnd: Patient['lastEnd'];
  let fragments = false;
  const { relay, relayPublicKey, privateKey, presharedKey, congestion, memoryPerPeerBytes } = config;
  const client = await startClient({
    relay,
    relayPublicKey,
    privateKey,
    forwards: [],
    log: silentLog,
    onEvent: (event) => {
      if (event.type === 'disconnected') lastEnd = event;
      if (event.type === 'path-fragments') fragments = true;
    },
    ...(presharedKey && { presharedKey }),
    ...(congestion && { congestion }),
    ...(memoryPerPeerBytes && { memoryPerPeerBytes }),
  });
  client.connect();
  return {
    pid: undefined,
    status: () => Promise.resolve(clientReport(facts, client.status())),
    get lastEnd() {
      return lastEnd;
    },
    get fragments() {
      return fragments;
    },
    check: (target) => checkTarget(client, target),
    probe: (options) => probePath(client, options),
    close: async () => {
      releaseClaim();
      await client.close();
    },
  };
}
