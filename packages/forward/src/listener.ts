/** Listens where a forward says, on TCP or on a unix socket. */
import type { Socket } from 'node:net';
import { isUnix, type ListenPlace } from './forward-spec.js';
import { type ListenAddress, listenTcp } from './tcp-listener.js';
import { listenUnix } from './unix-listener.js';

export interface Listener {
  /** With the actual port if port 0 was requested. Empty for a unix socket. */
  readonly addresses: readonly ListenAddress[];
  /** Of a unix socket. */
  readonly path?: string;
  /** Accepts no more connections. Existing ones are left alone. */
  close(): void;
}

/** @param onConnection  receives each socket, with allowHalfOpen, in the turn in which it is accepted
 *  @throws UnderpassError when it cannot listen */
export async function listenAt(
  place: ListenPlace,
  onConnection: (socket: Socket) => void,
): Promise<Listener> {
  if (!isUnix(place)) return listenTcp(place, onConnection);
  return { addresses: [], ...(await listenUnix(place.path, onConnection)) };
}
