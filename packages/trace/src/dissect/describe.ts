import type { Dissection } from './dissection.js';

/** What a datagram is, at a glance. */
export type Look = 'handshake' | 'data' | 'control' | 'keepalive' | 'unknown';

export interface Description {
  readonly look: Look;
  /** A few words, for example `ACK, STREAM`. */
  readonly label: string;
}

const HANDSHAKE_LABELS: Readonly<Record<string, string>> = {
  initiation: 'Initiation',
  response: 'Response',
  'cookie-reply': 'Cookie reply',
};
const DATA_FRAMES = /^(STREAM|DATAGRAM)/;
/** Parts of a transport message that are no frames. */
const NOT_FRAMES = /^(transport header|packet header|packet|seal|PADDING|padding)/;

/** Describes a datagram in a line of a list. @param dissection  of the open datagram, if it can be opened */
export function describe({ kind, parts, summary }: Dissection): Description {
  const label = HANDSHAKE_LABELS[kind];
  if (label !== undefined) return { look: 'handshake', label };
  if (kind !== 'transport') return { look: 'unknown', label: 'Not a message' };
  if (summary.endsWith('keepalive')) return { look: 'keepalive', label: 'Keepalive' };
  const frames = parts.filter(({ name }) => !NOT_FRAMES.test(name)).map(({ name }) => name);
  const isSealed = frames.includes('payload');
  if (isSealed) return { look: 'data', label: 'Sealed' };
  const names = [...new Set(frames)];
  return { look: names.some((name) => DATA_FRAMES.test(name)) ? 'data' : 'control', label: names.join(', ') };
}
