/** The log that the libraries write to, as narrow as they need it: a pino logger fits.
 *  No key is ever in a line; a public key may be there, shortened (`shortKey`). */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

const nothing = (): void => {};

/** For tests, and for callers that want events only. */
export const silentLog: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing };

/** The first 8 base64 characters of a public key: enough to tell peers apart in a log. */
export function shortKey(publicKey: Uint8Array): string {
  return `${Buffer.from(publicKey).toString('base64').slice(0, 8)}…`;
}
