/** Opens a tunnel of this program, and waits for its relay. */
import { type Client, type ContactProblem, startClient } from '@underpass/client';
import { formatTarget } from '@underpass/forward';
import { silentLog, UnderpassError } from '@underpass/runtime';
import { problemAdvice } from '../commands/contact-text.js';
import type { ClientControl } from '../control/claim-client.js';
import { type Access, accessOf } from './access.js';
import type { ConfigFileOptions, KeyOptions, Tunnel, TunnelOptions } from './api.js';
import { RunningTunnel } from './running-tunnel.js';

export async function connect(
  relay: string | ConfigFileOptions | KeyOptions,
  options: TunnelOptions = {},
): Promise<Tunnel> {
  options.signal?.throwIfAborted();
  const access = await accessOf(relay);
  try {
    return await open(access, options);
  } finally {
    // The endpoint has its own copies.
    access.privateKey.fill(0);
    access.presharedKey?.fill(0);
  }
}

async function open(access: Access, { signal, log = silentLog, ...options }: TunnelOptions): Promise<Tunnel> {
  const limitMs = options.connectTimeoutMs ?? access.connectTimeoutMs;
  const control = await claim(access, log);
  let tunnel: RunningTunnel | undefined;
  let problem: ContactProblem | undefined;
  let client: Client;
  try {
    client = await startClient({
      relay: access.relay,
      relayPublicKey: access.relayPublicKey,
      privateKey: access.privateKey,
      ...(access.presharedKey && { presharedKey: access.presharedKey }),
      ...(access.congestion && { congestion: access.congestion }),
      ...(access.memoryPerPeerBytes && { memoryPerPeerBytes: access.memoryPerPeerBytes }),
      persistentKeepaliveMs: access.persistentKeepaliveMs,
      contactLimitMs: limitMs,
      forwards: [],
      refuseUnknownName: true,
      log,
      onEvent: (event) => {
        if (event.type === 'contact-problem') problem = event.problem;
        control?.onEvent(event);
        tunnel?.onEvent(event);
      },
    });
  } catch (error) {
    control?.close();
    throw error;
  }
  control?.serve(client);
  tunnel = new RunningTunnel(client, access.relay, () => control?.close());
  try {
    client.connect();
    await contact(client, limitMs, signal, () => notReached(access, limitMs, problem));
  } catch (error) {
    await tunnel.close();
    throw error;
  }
  if (signal !== undefined) tunnel.closeWith(signal);
  return tunnel;
}

/** Two processes with the same keys would keep taking the connection from each other.
 *  @throws UnderpassError when another process runs a client with these keys */
async function claim(
  access: Access,
  log: NonNullable<TunnelOptions['log']>,
): Promise<ClientControl | undefined> {
  const { name, relay, publicKey, relayPublicKey } = access;
  if (name === undefined) return undefined;
  const { claimClient } = await import('../control/claim-client.js');
  const facts = { name, endpoint: formatTarget(relay), publicKey, relayPublicKey };
  const outcome = await claimClient(facts, log);
  if (outcome.kind === 'claimed') return outcome.control;
  throw new UnderpassError(
    'client-running',
    `another process already uses the keys of ${name}`,
    'stop it, or enrol this program with an invite of its own',
  );
}

/** Resolves at the first contact with the relay. Rejects when the time is up, the signal aborts or the client closes. */
async function contact(
  client: Client,
  limitMs: number,
  signal: AbortSignal | undefined,
  failure: () => Error,
): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  let onAbort: (() => void) | undefined;
  const given = new Promise<never>((_resolve, reject) => {
    if (limitMs > 0) timer = setTimeout(() => reject(failure()), limitMs);
    onAbort = () => reject(signal?.reason);
    if (signal?.aborted) onAbort();
    signal?.addEventListener('abort', onAbort);
  });
  try {
    await Promise.race([client.connected(), given]);
  } finally {
    clearTimeout(timer);
    if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort);
  }
}

function notReached({ relay }: Access, limitMs: number, problem: ContactProblem | undefined): UnderpassError {
  return new UnderpassError(
    'relay-not-reached',
    `the relay ${formatTarget(relay)} did not answer within ${limitMs / 1000} s`,
    problem === undefined
      ? "check that it runs, that UDP reaches it, and that it knows this program's public key: a relay never answers strangers"
      : problemAdvice(problem),
  );
}
