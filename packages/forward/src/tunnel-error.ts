/** Why a connection through the tunnel failed, as an error of the program that dialled it. */
import type { RequestStatus } from './request.js';

/** The relay's refusal, or what ended the connection:
 *  - relay-not-reached: the relay did not answer in time, so nothing was asked of it
 *  - connection-lost: the connection to the relay ended, for example because the relay was restarted
 *  - reset: the target reset the connection
 *  - not-read: the target no longer reads what is sent to it */
export type TunnelFailure =
  | Exclude<RequestStatus, 'opened'>
  | 'relay-not-reached'
  | 'connection-lost'
  | 'reset'
  | 'not-read';

/** The system's name for the failure that a direct connection would have met, because programs look for it. */
const CODES: Readonly<Record<TunnelFailure, string>> = {
  'not-allowed': 'EACCES',
  'name-not-found': 'ENOTFOUND',
  'connection-refused': 'ECONNREFUSED',
  unreachable: 'EHOSTUNREACH',
  'timed-out': 'ETIMEDOUT',
  'too-many-streams': 'EAGAIN',
  'malformed-request': 'EPROTO',
  'internal-error': 'ECONNABORTED',
  'address-in-use': 'EADDRINUSE',
  'invite-used': 'EPROTO',
  'invite-expired': 'EPROTO',
  'relay-not-reached': 'ETIMEDOUT',
  'connection-lost': 'ECONNRESET',
  reset: 'ECONNRESET',
  'not-read': 'EPIPE',
};

export class TunnelError extends Error {
  override name = 'TunnelError';
  readonly failure: TunnelFailure;
  /** For example ECONNREFUSED. */
  readonly code: string;

  /** @param message  what happened and what to do, in one line */
  constructor(failure: TunnelFailure, message: string) {
    super(message);
    this.failure = failure;
    this.code = CODES[failure];
  }
}
