/** The request at the start of a stream, and the status at the start of the answer (spec streams 6). */

/** The request of a stream. Only TCP is supported so far. */
export interface ConnectRequest {
  readonly kind: 'tcp';
  /** A name or an IP literal without brackets, 1 to 255 bytes of letters, digits, `-`, `_`, `.` and `:`. */
  readonly host: string;
  /** 1 to 65535 */
  readonly port: number;
}

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
] as const;
export type RequestStatus = (typeof REQUEST_STATUSES)[number];

export type Decoded<T> =
  | { readonly ok: true; readonly value: T; readonly bytesRead: number }
  /** Call again with more bytes. */
  | { readonly ok: false; readonly reason: 'incomplete' }
  | { readonly ok: false; readonly reason: 'malformed' };

const KIND_TCP = 0x01;
const HOST = /^[A-Za-z0-9._:-]{1,255}$/;

/** The longest request. Once this many bytes have arrived, the request is complete or malformed. */
export const MAX_REQUEST_BYTES = 2 + 255 + 2;

/** Whether a request can carry `host` and `port`. */
export function isRequestable(host: string, port: number): boolean {
  return HOST.test(host) && Number.isInteger(port) && port >= 1 && port <= 65_535;
}

/** @throws RangeError when `isRequestable` is false */
export function encodeRequest(request: ConnectRequest): Uint8Array {
  const { host, port } = request;
  if (!isRequestable(host, port)) throw new RangeError(`not a target: ${host}:${port}`);
  const bytes = new Uint8Array(2 + host.length + 2);
  bytes[0] = KIND_TCP;
  bytes[1] = host.length;
  for (let i = 0; i < host.length; i++) bytes[2 + i] = host.charCodeAt(i);
  bytes[2 + host.length] = port >>> 8;
  bytes[3 + host.length] = port;
  return bytes;
}

/** Total: any bytes give a request, `incomplete` or `malformed`. Never throws. */
export function decodeRequest(bytes: Uint8Array): Decoded<ConnectRequest> {
  if (bytes.length >= 1 && bytes[0] !== KIND_TCP) return { ok: false, reason: 'malformed' };
  if (bytes.length < 2) return { ok: false, reason: 'incomplete' };
  const hostLength = bytes[1] as number;
  if (hostLength === 0) return { ok: false, reason: 'malformed' };
  const end = 2 + hostLength + 2;
  if (bytes.length < end) return { ok: false, reason: 'incomplete' };
  const host = String.fromCharCode(...bytes.subarray(2, 2 + hostLength));
  const port = ((bytes[end - 2] as number) << 8) | (bytes[end - 1] as number);
  if (!isRequestable(host, port)) return { ok: false, reason: 'malformed' };
  return { ok: true, value: { kind: 'tcp', host, port }, bytesRead: end };
}

export function encodeStatus(status: RequestStatus): Uint8Array {
  return Uint8Array.of(REQUEST_STATUSES.indexOf(status));
}

/** Reads an unknown status, which a later version may send, as an internal error (spec streams 6.2). */
export function decodeStatus(bytes: Uint8Array): Decoded<RequestStatus> {
  if (bytes.length === 0) return { ok: false, reason: 'incomplete' };
  return { ok: true, value: REQUEST_STATUSES[bytes[0] as number] ?? 'internal-error', bytesRead: 1 };
}
