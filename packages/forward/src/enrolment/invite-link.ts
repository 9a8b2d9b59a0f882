/** The text of an invite, which a relay's owner hands to one client (spec enrolment 1). */
import { createHash } from 'node:crypto';
import { formatTarget, parsePort } from '../forward-spec.js';
import { parseHost } from '../host.js';

/** Everything that a client needs in order to enrol. */
export interface InviteLink {
  /** Where the client reaches the relay. The host is a name, or an IP literal without brackets. */
  readonly endpoint: { readonly host: string; readonly port: number };
  readonly relayPublicKey: Uint8Array;
  /** 32 random bytes that only this link contains. */
  readonly secret: Uint8Array;
}

export type LinkProblem =
  /** The text does not start as a link does. */
  | 'not-a-link'
  /** The end is missing. */
  | 'truncated'
  /** The text is not what the relay printed. */
  | 'altered'
  /** A later version of the program made it. */
  | 'version';

export const LINK_SCHEME = 'underpass://';
/** The longest link: a host name of 253 characters, and a port. Longer texts are not looked at. */
export const MAX_LINK_CHARACTERS = 512;

const VERSION = 1;
const KEY_BYTES = 32;
const CHECKSUM_BYTES = 4;
const DATA_BYTES = 1 + 2 * KEY_BYTES + CHECKSUM_BYTES;
/** 69 bytes fill 92 digits of base64url, with no padding and no unused bits: each digit counts. */
const DATA_CHARACTERS = (DATA_BYTES * 4) / 3;

/** @throws RangeError when the endpoint cannot be in a link */
export function formatInviteLink(link: InviteLink): string {
  const endpoint = formatTarget(link.endpoint);
  if (parseEndpoint(endpoint) === undefined) throw new RangeError(`not an endpoint: ${endpoint}`);
  const data = Buffer.alloc(DATA_BYTES);
  data[0] = VERSION;
  data.set(link.relayPublicKey, 1);
  data.set(link.secret, 1 + KEY_BYTES);
  data.set(checksum(endpoint, data), DATA_BYTES - CHECKSUM_BYTES);
  const text = data.toString('base64url');
  data.fill(0);
  return `${LINK_SCHEME}${endpoint}/${text}`;
}

/** Total: any text gives a link or a reason. Never throws.
 *
 *  White space is ignored, because terminals and mail programs break long lines. */
export function parseInviteLink(text: string): InviteLink | LinkProblem {
  const link = text.replace(/\s+/g, '');
  if (link.length > MAX_LINK_CHARACTERS || !link.startsWith(LINK_SCHEME)) return 'not-a-link';
  const [endpointText = '', dataText, ...more] = link.slice(LINK_SCHEME.length).split('/');
  if (more.length > 0) return 'altered';
  if (dataText === undefined) return 'truncated';
  if (!/^[A-Za-z0-9_-]*$/.test(dataText)) return 'altered';
  if (dataText.length < DATA_CHARACTERS) return 'truncated';
  // Bytes never take one character more than a multiple of four. The decoder would leave it out and say nothing.
  if (dataText.length % 4 === 1) return 'altered';
  const data = Buffer.from(dataText, 'base64url');
  try {
    return parseData(endpointText, data);
  } finally {
    data.fill(0);
  }
}

function parseData(endpointText: string, data: Buffer): InviteLink | LinkProblem {
  if (data.length > 0 && data[0] !== VERSION && isIntact(endpointText, data)) return 'version';
  if (data.length !== DATA_BYTES || data[0] !== VERSION || !isIntact(endpointText, data)) return 'altered';
  const endpoint = parseEndpoint(endpointText);
  if (endpoint === undefined) return 'altered';
  // V8 would move a small array in its own heap, and leave the bytes behind.
  const secret = new Uint8Array(new ArrayBuffer(KEY_BYTES));
  secret.set(data.subarray(1 + KEY_BYTES, 1 + 2 * KEY_BYTES));
  return {
    endpoint,
    relayPublicKey: Uint8Array.from(data.subarray(1, 1 + KEY_BYTES)),
    secret,
  };
}

/** Whether a text is meant to be a link, so that it must not be printed. */
export function looksLikeInviteLink(text: string): boolean {
  return /underpass:\/\//i.test(text);
}

/** Replaces the secret part of every link, and what could be that part of a link whose start is damaged or missing. */
export function withoutInviteLinks(text: string): string {
  return text
    .replace(/(underpass:\/\/[^\s/]*)\/[A-Za-z0-9_-]+/gi, '$1/(not shown)')
    .replace(/[A-Za-z0-9_-]+/g, (word) => (looksLikeData(word) ? '(not shown)' : word));
}

/** 65 characters leave at least 15 bytes of the secret unknown, which nobody can guess. Names of peers are shorter, and
 *  hardly any other long word mixes small letters, capitals and digits. */
function looksLikeData(word: string): boolean {
  return word.length > 65 && /[a-z]/.test(word) && /[A-Z]/.test(word) && /[0-9]/.test(word);
}

function parseEndpoint(text: string): InviteLink['endpoint'] | undefined {
  const [, bracketed, plain, digits = ''] = /^(?:\[([^[\]]+)\]|([^[\]:]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = parsePort(digits, 1);
  if (host === undefined || port === undefined || parseHost(host) === undefined) return undefined;
  return host.includes(':') === (bracketed !== undefined) ? { host, port } : undefined;
}

function isIntact(endpoint: string, data: Buffer): boolean {
  if (data.length < CHECKSUM_BYTES) return false;
  return data.subarray(data.length - CHECKSUM_BYTES).equals(checksum(endpoint, data));
}

/** Covers the endpoint and everything before the checksum itself. A link of any version ends with it. */
function checksum(endpoint: string, data: Buffer): Buffer {
  const hash = createHash('sha256').update(`${LINK_SCHEME}${endpoint}/`);
  return hash
    .update(data.subarray(0, data.length - CHECKSUM_BYTES))
    .digest()
    .subarray(0, CHECKSUM_BYTES);
}
