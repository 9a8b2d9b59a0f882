/** Opens listeners on loopback for both address families (spec forwarding 1.2). */
import { systemCode, UnderpassError } from '@underpass/runtime';
import { MAX_SAME_PORT_TRIES } from './forward-constants.js';
import { formatTarget } from './forward-spec.js';

/** A listener of one family. */
export interface OpenedListener {
  readonly port: number;
  close(): void;
}

/** Opens a listener on 127.0.0.1 and one on ::1 with the same port. A machine without one of them uses the other. If
 *  another program has the port on one family this fails, because `localhost` would lead some programs to us and others
 *  to that program.
 *
 *  @param port  0 lets the system choose
 *  @param open  rejects with an error whose cause is the system's
 *  @throws UnderpassError */
export async function openOnLoopback<L extends OpenedListener>(
  port: number,
  open: (host: '127.0.0.1' | '::1', port: number) => Promise<L>,
): Promise<L[]> {
  for (let tries = 1; ; tries++) {
    const ipv4 = await outcomeOf(open('127.0.0.1', port));
    const ipv6 = await outcomeOf(open('::1', ipv4 instanceof Error ? port : ipv4.port));
    if (!(ipv4 instanceof Error) && !(ipv6 instanceof Error)) return [ipv4, ipv6];
    const [failure, other] = ipv4 instanceof Error ? [ipv4, ipv6] : [ipv6 as Error, ipv4];
    if (other instanceof Error) throw isFamilyMissing(failure) ? other : failure;
    if (isFamilyMissing(failure)) return [other];
    const taken = other.port;
    other.close();
    // The system chose a port that is free for one family only: try again.
    if (port === 0 && tries < MAX_SAME_PORT_TRIES && isPortTaken(failure)) continue;
    throw isPortTaken(failure) ? takenOnOneFamily(failure === ipv4, taken, failure) : failure;
  }
}

/** Whether this machine does not have the family of a listener that failed. */
export function isFamilyMissing(error: unknown): boolean {
  const code = error instanceof Error ? systemCode(error.cause) : '';
  return code === 'EAFNOSUPPORT' || code === 'EADDRNOTAVAIL';
}

function isPortTaken(error: Error): boolean {
  return systemCode(error.cause) === 'EADDRINUSE';
}

function takenOnOneFamily(isIp4Taken: boolean, port: number, cause: Error): UnderpassError {
  const places = ['127.0.0.1', '::1'].map((host) => formatTarget({ host, port }));
  const [taken, free] = isIp4Taken ? places : places.reverse();
  return new UnderpassError(
    'address-in-use',
    `${taken} is in use by another program; ${free} is free, but localhost would reach that program`,
    'choose another port, or stop that program',
    { cause },
  );
}

function outcomeOf<L>(opening: Promise<L>): Promise<L | Error> {
  return opening.catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))));
}
