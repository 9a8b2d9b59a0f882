/** Listens on a local UDP port (spec forwarding 1.2, 5.1). */
import type { Address } from '@underpass/protocol';
import { bindError, bindFlowSocket, type FlowSocket } from '@underpass/runtime';
import { isFamilyMissing, openOnLoopback } from './both-families.js';
import { formatTarget, type TcpPlace } from './forward-spec.js';
import type { ListenAddress } from './tcp-listener.js';

export interface UdpListener {
  /** With the actual port if port 0 was requested. */
  readonly addresses: readonly ListenAddress[];
  close(): void;
}

/** @param from  the program's address; answer it through the same socket
 *  @param via  the socket that received the message */
export type OnMessage = (message: Uint8Array, from: Address, via: FlowSocket) => void;

/** @throws UnderpassError when it cannot listen */
export async function listenUdp(place: TcpPlace, onMessage: OnMessage): Promise<UdpListener> {
  const sockets = await openSockets(place, onMessage);
  return {
    addresses: sockets.map(({ address }) => address),
    close: () => {
      for (const socket of sockets) socket.close();
    },
  };
}

async function openSockets({ bind, port }: TcpPlace, onMessage: OnMessage): Promise<FlowSocket[]> {
  if (bind.kind === 'loopback') {
    const opened = await openOnLoopback(port, async (host, at) => {
      const socket = await open(host, at, onMessage, true);
      return { socket, port: socket.address.port, close: () => socket.close() };
    });
    return opened.map(({ socket }) => socket);
  }
  if (bind.kind === 'host') return [await open(bind.host, port, onMessage)];
  try {
    return [await open('::', port, onMessage)];
  } catch (error) {
    if (!isFamilyMissing(error)) throw error;
    return [await open('0.0.0.0', port, onMessage)];
  }
}

async function open(host: string, port: number, onMessage: OnMessage, ipv6Only = false): Promise<FlowSocket> {
  let socket: FlowSocket | undefined;
  const handler = {
    onMessage: (message: Uint8Array, from: Address) => {
      if (socket !== undefined) onMessage(message, from, socket);
    },
  };
  try {
    socket = await bindFlowSocket({ address: host, port }, handler, { ipv6Only, isShared: true });
    return socket;
  } catch (error) {
    throw bindError(`UDP port ${formatTarget({ host, port })}`, error);
  }
}
