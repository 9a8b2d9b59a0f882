/** What the libraries throw at their caller when something outside is in the way: a port in use, a name that does not
 *  resolve. Everything else that is thrown is our own bug. */

export const UNDERPASS_ERROR_CODES = [
  'address-in-use',
  'address-not-available',
  'permission-denied',
  'cannot-bind',
  'name-not-found',
  'invalid-option',
] as const;
export type UnderpassErrorCode = (typeof UNDERPASS_ERROR_CODES)[number];

export class UnderpassError extends Error {
  override name = 'UnderpassError';
  readonly code: UnderpassErrorCode;
  /** What to do about it, as the start of a sentence; empty when the message says it already. */
  readonly hint: string;

  /** @param message what happened and why, without a full stop */
  constructor(code: UnderpassErrorCode, message: string, hint: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.hint = hint;
  }
}

/** Turns the system's refusal to bind a socket into words.
 *  @param what  for example `UDP port 51820` */
export function bindError(what: string, cause: unknown): UnderpassError {
  switch (systemCode(cause)) {
    case 'EADDRINUSE':
      return new UnderpassError(
        'address-in-use',
        `${what} is in use by another program`,
        'choose another port, or stop the program that has it',
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
        `${what}: the system does not permit it`,
        'ports below 1024 usually need extra rights: choose a higher one',
        { cause },
      );
    default:
      return new UnderpassError(
        'cannot-bind',
        `${what} could not be opened (${systemCode(cause)})`,
        'check the address and port',
        { cause },
      );
  }
}

/** The system's name for an error (`ECONNREFUSED`), or the message of one that has none. */
export function systemCode(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
}
