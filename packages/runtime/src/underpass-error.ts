/** Errors with an outside cause, such as a port in use or a name that does not resolve. Anything else that is thrown is
 *  a bug. */

export const UNDERPASS_ERROR_CODES = [
  'address-in-use',
  'address-not-available',
  'permission-denied',
  'cannot-bind',
  'name-not-found',
  'invalid-option',
  'invalid-config',
  'client-running',
  'relay-not-reached',
  'invite-used',
  'invite-expired',
  'invite-revoked',
  'enrolment-failed',
  'closed',
] as const;
export type UnderpassErrorCode = (typeof UNDERPASS_ERROR_CODES)[number];

/** An error for the user: a code for programs, a message that says what happened and why, and a hint that says what to
 *  do. The packages throw it to their caller, and the command line prints it. */
export class UnderpassError extends Error {
  override name = 'UnderpassError';
  readonly code: UnderpassErrorCode;
  /** What to do about it, as the start of a sentence. Empty when the message already says it. */
  readonly hint: string;

  /** @param message  what happened and why, without a full stop */
  constructor(code: UnderpassErrorCode, message: string, hint: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.hint = hint;
  }
}

/** Explains why the system refused to bind a socket.
 *  @param what  for example `UDP port 51820` */
export function bindError(what: string, cause: unknown): UnderpassError {
  switch (systemCode(cause)) {
    case 'EADDRINUSE':
      return new UnderpassError(
        'address-in-use',
        `${what} is in use by another program`,
        'choose another port, or stop that program',
        { cause },
      );
    case 'EADDRNOTAVAIL':
      return new UnderpassError(
        'address-not-available',
        `${what}: this machine does not have that address`,
        'use an address of this machine, or leave it out',
        { cause },
      );
    case 'EACCES':
    case 'EPERM':
      return new UnderpassError(
        'permission-denied',
        `${what}: the system does not permit this program to use it`,
        'ports below 1024 usually need extra rights: choose a higher port',
        { cause },
      );
    case 'EMFILE':
    case 'ENFILE':
      return new UnderpassError(
        'cannot-bind',
        `${what} cannot be opened: too many files are open`,
        'each port takes a file or two: raise the limit (ulimit -n, or LimitNOFILE= in the unit of a service), or open fewer ports',
        { cause },
      );
    default:
      return new UnderpassError(
        'cannot-bind',
        `${what} cannot be opened (${systemCode(cause)})`,
        'check the address and port',
        { cause },
      );
  }
}

/** The system's name for an error (`ECONNREFUSED`), or the message if it has none. */
export function systemCode(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
}
