/** The requests LISTEN and INCOMING, and the answer to LISTEN (spec streams 6.1, 6.3). */
import { isIP } from 'node:net';
import { announcedVarintLength, readVarint, varintLength, writeVarint } from '@underpass/protocol';
import type { Decoded } from '../decoded.js';
import { unixPathProblem } from '../unix-path.js';

/** Listen on a port, and open a stream for each connection that arrives there. */
export interface ListenRequest {
  readonly kind: 'listen';
  /** `localhost`, `*`, an IP literal without brackets, or the path of a unix socket. */
  readonly bind: string;
  /** 0 lets the receiver choose. It is 0 for a unix socket too. */
  readonly port: number;
}

/** Somebody connected to a listener. */
export interface IncomingConnectionRequest {
  readonly kind: 'incoming';
  /** The id of the stream with the LISTEN request. */
  readonly listener: number;
  /** Where the connection comes from: an IP literal without brackets or zone, and a port; or `unix` and 0. */
  readonly host: string;
  readonly port: number;
}

const MAX_PORT = 65_535;
/** The source of a connection to a unix socket. */
export const UNIX_SOURCE = 'unix';

function isPlace({ bind, port }: Pick<ListenRequest, 'bind' | 'port'>): boolean {
  if (bind.startsWith('/')) return port === 0 && unixPathProblem(bind) === undefined;
  return (bind === 'localhost' || bind === '*' || isLiteral(bind)) && isPort(port);
}

function isSource({ host, port }: Pick<IncomingConnectionRequest, 'host' | 'port'>): boolean {
  return host === UNIX_SOURCE ? port === 0 : isLiteral(host) && isPort(port);
}

/** @throws RangeError when a field cannot be carried */
export function encodeListen({ bind, port }: ListenRequest): Uint8Array {
  if (!isPlace({ bind, port })) throw new RangeError(`not a place to listen on: ${bind} ${port}`);
  return textAndPort(bind, port, 0);
}

export function decodeListen(fields: Uint8Array): Decoded<ListenRequest> {
  const decoded = decodeTextAndPort(fields, 0);
  if (!decoded.ok) return decoded;
  const { text: bind, port } = decoded.value;
  if (!isPlace({ bind, port })) return { ok: false, reason: 'malformed' };
  return { ...decoded, value: { kind: 'listen', bind, port } };
}

/** @throws RangeError when a field cannot be carried */
export function encodeIncoming({ listener, host, port }: IncomingConnectionRequest): Uint8Array {
  if (!isSource({ host, port })) throw new RangeError(`not a source: ${host} ${port}`);
  const start = varintLength(listener);
  const bytes = textAndPort(host, port, start);
  writeVarint(bytes, 0, listener);
  return bytes;
}

export function decodeIncoming(fields: Uint8Array): Decoded<IncomingConnectionRequest> {
  if (fields.length === 0) return { ok: false, reason: 'incomplete' };
  const start = announcedVarintLength(fields[0] as number);
  if (fields.length < start) return { ok: false, reason: 'incomplete' };
  const listener = readVarint(fields, 0);
  if (listener < 0) return { ok: false, reason: 'malformed' };
  const decoded = decodeTextAndPort(fields, start);
  if (!decoded.ok) return decoded;
  const { text: host, port } = decoded.value;
  if (!isSource({ host, port })) return { ok: false, reason: 'malformed' };
  return { ...decoded, value: { kind: 'incoming', listener, host, port } };
}

/** What follows the status of a LISTEN request that was opened. */
export function encodeListenAnswer(port: number): Uint8Array {
  return Uint8Array.of(port >>> 8, port);
}

/** @param bytes  everything after the status
 *  @returns the port, or undefined while it is incomplete */
export function decodeListenAnswer(bytes: Uint8Array): number | undefined {
  return bytes.length < 2 ? undefined : ((bytes[0] as number) << 8) | (bytes[1] as number);
}

/** A text (length, then UTF-8) and a port, after `start` bytes for the caller. */
function textAndPort(text: string, port: number, start: number): Uint8Array {
  const letters = Buffer.from(text);
  const bytes = new Uint8Array(start + 1 + letters.length + 2);
  bytes[start] = letters.length;
  bytes.set(letters, start + 1);
  bytes[start + 1 + letters.length] = port >>> 8;
  bytes[start + 2 + letters.length] = port;
  return bytes;
}

function decodeTextAndPort(
  bytes: Uint8Array,
  start: number,
): Decoded<{ readonly text: string; readonly port: number }> {
  const length = bytes[start];
  if (length === undefined) return { ok: false, reason: 'incomplete' };
  if (length === 0) return { ok: false, reason: 'malformed' };
  const end = start + 1 + length + 2;
  if (bytes.length < end) return { ok: false, reason: 'incomplete' };
  const text = Buffer.from(bytes.subarray(start + 1, end - 2)).toString();
  const port = ((bytes[end - 2] as number) << 8) | (bytes[end - 1] as number);
  return { ok: true, value: { text, port }, bytesRead: end };
}

function isLiteral(text: string): boolean {
  return isIP(text) !== 0 && !text.includes('%');
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 0 && port <= MAX_PORT;
}
