import type { Dissection } from './dissection.js';

/** What a datagram is, at a glance. */
export type Look = 'handshake' | 'data' | 'control' | 'keepalive' | 'unknown';

export interface Description {
  readonly look: Look;
  /** A few words, for example `ACK, STREAM`. */
  readonly label: string;
}

export const HANDSHAKE_LABELS = {
  initiation: 'Initiation',
  response: 'Response',
  'cookie-reply': 'Cookie reply',
} as const;
const DATA_FRAMES = /^(STREAM|DATAGRAM)/;
/** Parts of a transport message that are no frames. */
const NOT_FRAMES = /^(transport header|packet header|packet|seal|PADDING|padding)/;

/** Describes a datagram in a line of a list. @param dissection  of the open datagram, if it can be opened */
export function describe({ kind, parts, summary }: Dissection): Description {
  if (kind === 'unknown') return { look: 'unknown', label: 'Not a message' };
  if (kind !== 'transport') return { look: 'handshake', label: HANDSHAKE_LABELS[kind] };
  if (summary.endsWith('keepalive')) return { look: 'keepalive', label: 'Keepalive' };
  const frames = parts.filter(({ name }) => !NOT_FRAMES.test(name)).map(({ name }) => name);
  const isSealed = frames.includes('payload');
  if (isSealed) return { look: 'data', label: 'Sealed' };
  const names = [...new Set(frames)];
  return { look: lookOf(names), label: names.join(', ') };
}

/** @param names  of the frames of a packet */
export function lookOf(names: readonly string[]): 'data' | 'control' {
  return names.some((name) => DATA_FRAMES.test(name)) ? 'data' : 'control';
}
