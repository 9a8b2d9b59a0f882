/** The client's end of a connection through the tunnel. */
import type { Socket } from 'node:net';
import type { Stream } from '@underpass/protocol';
import type { Target } from './forward-spec.js';
import { type OpenerObserver, openThroughTunnel } from './opener.js';
import { type ResettableSocket, resetSocket } from './reset-socket.js';
import type { SocketWatch } from './socket-watch.js';
import type { Tunnel } from './tunnel.js';

/** What carries a local end. */
export interface Link {
  readonly tunnel: Tunnel;
  readonly watch: SocketWatch;
  readonly observer: OpenerObserver;
}

/** One local connection that is to be carried to a target.
 *
 *  It waits for a place, a stream that the relay permits, and contact with the relay. The client's carrier calls `open`
 *  once there is a place, and `giveUp` when contact takes too long. If `socket` closes before `open` is called, the end
 *  is over. */
export interface LocalEnd {
  readonly socket: ResettableSocket;
  /** Called at most once.
   *  @param stream  undefined when none can be opened, so that the program has to see a failure */
  open(stream: Stream | undefined, link: Link): void;
  /** The relay was not reached in time. Closes `socket` so that the program sees a failure. */
  giveUp(): void;
}

/** A local program's connection, carried from its first byte: the program need not wait for the relay's answer (spec
 *  forwarding 2.1). A refusal resets it.
 *  @param socket  just accepted
 *  @param header  for the target, before the bytes of the program */
export function programEnd(socket: Socket, target: Target, header?: Uint8Array): LocalEnd {
  return {
    socket,
    open: (stream, { tunnel, watch, observer }) => {
      openThroughTunnel(tunnel, stream, socket, target, observer, watch, header);
    },
    giveUp: () => resetSocket(socket),
  };
}
