/** STUB, replaced soon: the request that opens a stream's bytes, and the status that opens the answer's (D6). */

/** What a stream asks for. Only TCP so far. */
export interface ConnectRequest {
  readonly kind: 'tcp';
  /** A name or an IP literal without brackets, 1 to 255 bytes of ASCII. */
  readonly host: string;
  readonly port: number;
}

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
  /** Not all there yet: call again with more. */
  | { readonly ok: false; readonly reason: 'incomplete' }
  | { readonly ok: false; readonly reason: 'malformed' };

export function encodeRequest(_request: ConnectRequest): Uint8Array {
  throw new Error('stub');
}
export function decodeRequest(_bytes: Uint8Array): Decoded<ConnectRequest> {
  throw new Error('stub');
}
export function encodeStatus(_status: RequestStatus): Uint8Array {
  throw new Error('stub');
}
export function decodeStatus(_bytes: Uint8Array): Decoded<RequestStatus> {
  throw new Error('stub');
}
