/** The request at the start of a stream, and the status at the start of the answer (spec streams 6). */
import type { Decoded } from './decoded.js';
import { isUnix, type Target } from './forward-spec.js';
import { MAX_PROBE_BYTES } from './probe/probe-limits.js';
import {
  decodeIncoming,
  decodeListen,
  encodeIncoming,
  encodeListen,
  type IncomingConnectionRequest,
  type ListenRequest,
} from './reverse/reverse-requests.js';
import { MAX_UNIX_PATH_BYTES, unixPathProblem } from './unix-path.js';

/** Connect to a host and port over TCP. */
export interface TcpRequest {
  readonly kind: 'tcp';
  /** A name or an IP literal without brackets, 1 to 255 bytes of letters, digits, `-`, `_`, `.` and `:`. */
  readonly host: string;
  /** 1 to 65535 */
  readonly port: number;
}

/** Connect to a unix socket. */
export interface UnixRequest {
  readonly kind: 'unix';
  /** As `unixPathProblem` accepts it. */
  readonly path: string;
}

/** Exchange messages with any host and port over UDP: each message says with which. */
export interface UdpSocketRequest {
  readonly kind: 'udp-socket';
}

/** Make a peer of whoever holds the private half of this key (spec enrolment 3.1). */
export interface EnrolRequest {
  readonly kind: 'enrol';
  /** 32 bytes */
  readonly publicKey: Uint8Array;
}

/** Measure the path, and report what the receiver knows about it (spec probe 1). */
export interface ProbeRequest {
  readonly kind: 'probe';
  /** How many bytes to send. */
  readonly downloadBytes: number;
}

/** Exchange messages with a host and port over UDP: the stream is the control stream of a flow. */
export interface UdpRequest {
  readonly kind: 'udp';
  readonly host: string;
  readonly port: number;
}

/** What a stream is for. Each kind has a row in `FORMATS`. */
export type StreamRequest =
  | TcpRequest
  | UnixRequest
  | UdpRequest
  | UdpSocketRequest
  | ListenRequest
  | IncomingConnectionRequest
  | EnrolRequest
  | ProbeRequest;
export type RequestKind = StreamRequest['kind'];

/** In the order of their bytes on the wire (spec streams 6.2). */
export const REQUEST_STATUSES = [
  'opened',
  'not-allowed',
  'name-not-found',
  'connection-refused',
  'unreachable',
  'timed-out',
  'too-many-streams',
  'malformed-request',
  'internal-error',
  'address-in-use',
  'invite-used',
  'invite-expired',
] as const;
export type RequestStatus = (typeof REQUEST_STATUSES)[number];

/** How the fields after the kind byte are written. `decode` gets all bytes after the kind byte, and `bytesRead` counts
 *  from there. */
interface Format<R extends StreamRequest> {
  readonly byte: number;
  encode(request: R): Uint8Array;
  decode(fields: Uint8Array): Decoded<R>;
}

/** The table of spec streams 6.1. */
const FORMATS: { readonly [K in RequestKind]: Format<Extract<StreamRequest, { readonly kind: K }>> } = {
  tcp: {
    byte: 0x01,
    encode: encodeHostAndPort,
    decode: (fields) => mapped(decodeHostAndPort(fields), (value) => ({ kind: 'tcp', ...value })),
  },
  unix: {
    byte: 0x02,
    encode: encodePath,
    decode: (fields) => mapped(decodePath(fields), (path) => ({ kind: 'unix', path })),
  },
  udp: {
    byte: 0x03,
    encode: encodeHostAndPort,
    decode: (fields) => mapped(decodeHostAndPort(fields), (value) => ({ kind: 'udp', ...value })),
  },
  listen: { byte: 0x04, encode: encodeListen, decode: decodeListen },
  incoming: { byte: 0x05, encode: encodeIncoming, decode: decodeIncoming },
  'udp-socket': {
    byte: 0x08,
    encode: () => new Uint8Array(0),
    decode: () => ({ ok: true, value: { kind: 'udp-socket' }, bytesRead: 0 }),
  },
  enrol: { byte: 0x06, encode: encodePublicKey, decode: decodePublicKey },
  probe: { byte: 0x07, encode: encodeDownload, decode: decodeDownload },
};

/** The longest request. Once this many bytes have arrived, the request is complete or malformed. */
export const MAX_REQUEST_BYTES = 2 + 255 + 2;

const PUBLIC_KEY_BYTES = 32;
const HOST = /^[A-Za-z0-9._:-]{1,255}$/;
const FORMAT_OF_BYTE = new Map(Object.values(FORMATS).map((format) => [format.byte, format]));

/** Whether a request can carry `host` and `port`. */
export function isRequestable(host: string, port: number): boolean {
  return HOST.test(host) && Number.isInteger(port) && port >= 1 && port <= 65_535;
}

/** The request for a target. */
export function requestFor(target: Target): StreamRequest {
  if (isUnix(target)) return { kind: 'unix', path: target.path };
  const { host, port, protocol = 'tcp' } = target;
  return { kind: protocol, host, port };
}

/** @throws RangeError when a field cannot be carried, for example when `isRequestable` is false */
export function encodeRequest(request: StreamRequest): Uint8Array {
  const format: Format<StreamRequest> = FORMATS[request.kind];
  const fields = format.encode(request);
  const bytes = new Uint8Array(1 + fields.length);
  bytes[0] = format.byte;
  bytes.set(fields, 1);
  return bytes;
}

/** Total: any bytes give a request, `incomplete` or `malformed`. Never throws. */
export function decodeRequest(bytes: Uint8Array): Decoded<StreamRequest> {
  if (bytes.length === 0) return { ok: false, reason: 'incomplete' };
  const format = FORMAT_OF_BYTE.get(bytes[0] as number);
  if (format === undefined) return { ok: false, reason: 'malformed' };
  const decoded = format.decode(bytes.subarray(1));
  return decoded.ok ? { ...decoded, bytesRead: 1 + decoded.bytesRead } : decoded;
}

export function encodeStatus(status: RequestStatus): Uint8Array {
  return Uint8Array.of(REQUEST_STATUSES.indexOf(status));
}

/** Reads an unknown status, which a later version may send, as an internal error (spec streams 6.2). */
export function decodeStatus(bytes: Uint8Array): Decoded<RequestStatus> {
  if (bytes.length === 0) return { ok: false, reason: 'incomplete' };
  return { ok: true, value: REQUEST_STATUSES[bytes[0] as number] ?? 'internal-error', bytesRead: 1 };
}

interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

/** A host (length, then ASCII) and a port. */
function encodeHostAndPort({ host, port }: HostAndPort): Uint8Array {
  if (!isRequestable(host, port)) throw new RangeError(`not a target: ${host}:${port}`);
  const bytes = new Uint8Array(1 + host.length + 2);
  bytes[0] = host.length;
  for (let i = 0; i < host.length; i++) bytes[1 + i] = host.charCodeAt(i);
  bytes[1 + host.length] = port >>> 8;
  bytes[2 + host.length] = port;
  return bytes;
}

function decodeHostAndPort(bytes: Uint8Array): Decoded<HostAndPort> {
  if (bytes.length === 0) return { ok: false, reason: 'incomplete' };
  const hostLength = bytes[0] as number;
  if (hostLength === 0) return { ok: false, reason: 'malformed' };
  const end = 1 + hostLength + 2;
  if (bytes.length < end) return { ok: false, reason: 'incomplete' };
  const host = String.fromCharCode(...bytes.subarray(1, 1 + hostLength));
  const port = ((bytes[end - 2] as number) << 8) | (bytes[end - 1] as number);
  if (!isRequestable(host, port)) return { ok: false, reason: 'malformed' };
  return { ok: true, value: { host, port }, bytesRead: end };
}

function encodePublicKey({ publicKey }: EnrolRequest): Uint8Array {
  if (publicKey.length !== PUBLIC_KEY_BYTES) throw new RangeError('a public key has 32 bytes');
  return publicKey;
}

function decodePublicKey(bytes: Uint8Array): Decoded<EnrolRequest> {
  if (bytes.length < PUBLIC_KEY_BYTES) return { ok: false, reason: 'incomplete' };
  const publicKey = Uint8Array.from(bytes.subarray(0, PUBLIC_KEY_BYTES));
  return { ok: true, value: { kind: 'enrol', publicKey }, bytesRead: PUBLIC_KEY_BYTES };
}

/** A path (length, then UTF-8). */
function encodePath({ path }: { readonly path: string }): Uint8Array {
  const problem = unixPathProblem(path);
  if (problem !== undefined) throw new RangeError(problem);
  const text = Buffer.from(path);
  return Uint8Array.of(text.length, ...text);
}

function decodePath(bytes: Uint8Array): Decoded<string> {
  if (bytes.length === 0) return { ok: false, reason: 'incomplete' };
  const length = bytes[0] as number;
  if (length === 0 || length > MAX_UNIX_PATH_BYTES) return { ok: false, reason: 'malformed' };
  if (bytes.length < 1 + length) return { ok: false, reason: 'incomplete' };
  const path = Buffer.from(bytes.subarray(1, 1 + length)).toString();
  if (unixPathProblem(path) !== undefined) return { ok: false, reason: 'malformed' };
  return { ok: true, value: path, bytesRead: 1 + length };
}

function encodeDownload({ downloadBytes }: ProbeRequest): Uint8Array {
  if (!(downloadBytes >= 0 && downloadBytes <= MAX_PROBE_BYTES)) throw new RangeError('too much to download');
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, downloadBytes);
  return bytes;
}

function decodeDownload(bytes: Uint8Array): Decoded<ProbeRequest> {
  if (bytes.length < 4) return { ok: false, reason: 'incomplete' };
  const downloadBytes = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  if (downloadBytes > MAX_PROBE_BYTES) return { ok: false, reason: 'malformed' };
  return { ok: true, value: { kind: 'probe', downloadBytes }, bytesRead: 4 };
}

function mapped<A, B>(decoded: Decoded<A>, map: (value: A) => B): Decoded<B> {
  return decoded.ok ? { ...decoded, value: map(decoded.value) } : decoded;
}
