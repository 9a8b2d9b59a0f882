/** The log interface of the packages, which a pino logger satisfies. Lines never contain a key, except public keys,
 *  which are shortened (`shortKey`). */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** Whether lines of this level are written at all. Ask before making a line that is costly to make. */
  isLevelEnabled?(level: 'debug' | 'info' | 'warn' | 'error'): boolean;
}

const nothing = (): void => {};

/** For tests, and for callers that only want events. */
export const silentLog: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing };

/** The first 8 base64 characters of a public key, enough to distinguish peers in a log. */
export function shortKey(publicKey: Uint8Array): string {
  return `${Buffer.from(publicKey).toString('base64').slice(0, 8)}…`;
}
