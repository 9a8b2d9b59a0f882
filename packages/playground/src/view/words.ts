/** Values in words. */
import type { Address } from '@underpass/protocol';
import { nameOf } from '../model/event-words.js';
import type { Datagram, Fate } from '../model/history.js';

export function milliseconds(ms: number): string {
  if (ms >= 10_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${ms.toFixed(ms < 10 ? 2 : 1)} ms`;
}

export function bytes(count: number): string {
  if (count < 10_000) return `${Math.round(count)} B`;
  return count < 10_000_000 ? `${Math.round(count / 1000)} kB` : `${(count / 1e6).toFixed(1)} MB`;
}

export function address({ address: ip, port }: Address): string {
  return `${ip}:${port}`;
}

export function hexadecimal(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}

const FATES: Readonly<Record<Fate, string>> = {
  'under-way': 'on its way',
  delivered: 'arrived',
  misdirected: 'arrived where nobody is any longer',
  dropped: 'dropped by you',
  nobody: 'sent to an address that nobody has',
  loss: 'lost on the link',
  burst: 'lost on the link',
  blackout: 'lost: the link is cut',
  'too-large': 'lost: larger than the path carries',
  'queue-full': 'lost: the queue was full',
};

const REFUSALS: Readonly<Record<string, string>> = {
  'authentication-failed': 'does not authenticate',
  'replayed-counter': 'has a counter that was seen before',
  'replayed-handshake': 'is a handshake that was seen before',
  'wrong-mac1': 'has a wrong mac1',
  'cookie-required': 'has to prove its address with a cookie first',
  'rate-limited': 'comes too often from this address',
  'unknown-index': 'has an index that nobody uses',
  'unknown-peer': 'comes from a key that the relay does not know',
  'handshake-flood': 'follows too soon on another one',
  'unexpected-handshake': 'answers no handshake that is waiting',
  'no-hello': 'has no HELLO yet',
};

export function fateWords({ fate, refused }: Datagram): string {
  if (fate !== 'delivered' || refused === undefined) return FATES[fate];
  return `arrived, but was dropped: it ${REFUSALS[refused] ?? refused}`;
}

/** A mark that says the same without colour. */
export function fateMark({ fate, refused }: Datagram): string {
  if (fate === 'under-way') return '→';
  return fate === 'delivered' && refused === undefined ? '✓' : '✕';
}

const ORIGINS: Readonly<Record<Datagram['origin'], string>> = {
  process: '',
  duplicate: 'your duplicate',
  replay: 'your replay',
  forgery: 'your forgery',
  flood: 'a stranger',
};

export function routeWords({ origin, target, lane }: Datagram): string {
  const client = nameOf(lane === 0 ? 'client' : `client-${lane + 1}`);
  const route = target === 'relay' ? `${client} to relay` : `Relay to ${client.toLowerCase()}`;
  return origin === 'process' ? route : `${route} (${ORIGINS[origin]})`;
}
