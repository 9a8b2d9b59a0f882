/** What `underpass doctor` has a client try: to connect to a target, and to probe the path. */
import type { Client } from '@underpass/client';
import {
  type ProbeOptions,
  type ProbeOutcome,
  parseAnyTarget,
  type Target,
  TunnelError,
  type TunnelFailure,
} from '@underpass/forward';
import { usageError } from '../cli-error.js';

/** How long a probe may take. */
export const PROBE_ANSWER_MS = 30_000;
/** The most that one probe may carry in each direction. */
const MAX_BYTES = 64 * 1024 * 1024;

/** `opened`, or why not. */
export type TargetOutcome = 'opened' | TunnelFailure;

/** Connects to the target and closes the connection at once. Of a UDP target, only the relay's answer can be known. */
export function checkTarget(client: Client, target: Target): Promise<TargetOutcome> {
  if ('protocol' in target && target.protocol === 'udp') return client.tryFlow(target);
  const socket = client.dial(target);
  return new Promise((resolve) => {
    socket.once('connect', () => {
      resolve('opened');
      socket.destroy();
    });
    socket.once('error', (error) => {
      resolve(error instanceof TunnelError ? error.failure : 'internal-error');
    });
    socket.once('close', () => resolve('connection-lost'));
  });
}

export function probePath(client: Client, options: ProbeOptions): Promise<ProbeOutcome> {
  return client.probe(options, AbortSignal.timeout(PROBE_ANSWER_MS));
}

/** `POST /check`
 *  @throws CliError */
export function targetIn(body: unknown): Target {
  const text = field(body, 'target');
  if (typeof text !== 'string') throw usageError('expected {"target": "HOST:PORT"}');
  const target = parseAnyTarget(text);
  if ('reason' in target) throw usageError(target.reason);
  return target;
}

/** `POST /probe`
 *  @throws CliError */
export function probeOptionsIn(body: unknown): ProbeOptions {
  const [uploadBytes, downloadBytes] = [field(body, 'uploadBytes'), field(body, 'downloadBytes')];
  if (isSize(uploadBytes) && isSize(downloadBytes)) return { uploadBytes, downloadBytes };
  throw usageError(`expected {"uploadBytes", "downloadBytes"}, each at most ${MAX_BYTES}`);
}

function isSize(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_BYTES;
}

function field(body: unknown, name: string): unknown {
  return typeof body === 'object' && body !== null ? Reflect.get(body, name) : undefined;
}
