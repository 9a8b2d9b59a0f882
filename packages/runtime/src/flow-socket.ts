/** Plain UDP sockets for the messages of flows: towards a target on the relay, and for local programs on the client. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Address } from '@underpass/protocol';
import { fromDualStack, toDualStack } from './socket-address.js';
import { askForBuffer, literalLookup } from './system-socket.js';
import { systemCode } from './underpass-error.js';

/** How many bytes of messages may wait for the system. Further ones are dropped. */
export const FLOW_SOCKET_QUEUE_BYTES = 64 * 1024;

export interface FlowSocketHandler {
  onMessage(message: Uint8Array, from: Address): void;
  /** A message could not be sent, or the target's machine reported that nothing listens there.
   *  @param code  the name of the system's error, for example ECONNREFUSED */
  onError?(code: string): void;
}

/** One UDP socket. It drops what the system does not take, as UDP may, and never throws. */
export interface FlowSocket {
  /** The local address, with the actual port. */
  readonly address: Address;
  /** @param to  where to; a connected socket has no choice */
  send(message: Uint8Array, to?: Address): void;
  close(): void;
}

/** Opens a socket that exchanges messages with one address only: the system drops those of others.
 *  @param to  an IP literal
 *  @throws a system error when there is no route, or no descriptor is left */
export function connectFlowSocket(to: Address, handler: FlowSocketHandler): Promise<FlowSocket> {
  return open(isIP(to.address) === 6, handler, (socket) => socket.connect(to.port, to.address), 'connect');
}

export interface BindOptions {
  readonly ipv6Only?: boolean;
  /** Whether many programs may send to the socket at once, so that the system should keep more for us. */
  readonly isShared?: boolean;
}

/** Opens a socket on a local address. For `::` it takes IPv4 too.
 *  @param at  an IP literal or a name; port 0 lets the system choose
 *  @throws a system error when the address cannot be used */
export async function bindFlowSocket(
  at: Address,
  handler: FlowSocketHandler,
  options: BindOptions = {},
): Promise<FlowSocket> {
  const address = isIP(at.address) === 0 ? (await lookup(at.address)).address : at.address;
  const isIp6 = isIP(address) === 6;
  const bind = (socket: Socket): unknown => socket.bind({ address, port: at.port, exclusive: true });
  const onOpened = (socket: Socket): void => {
    if (options.isShared) askForBuffer((bytes) => socket.setRecvBufferSize(bytes));
  };
  return open(isIp6, handler, bind, 'listening', isIp6 && options.ipv6Only, onOpened);
}

function open(
  isIp6: boolean,
  handler: FlowSocketHandler,
  start: (socket: Socket) => unknown,
  event: 'connect' | 'listening',
  ipv6Only = false,
  onOpened: (socket: Socket) => void = () => {},
): Promise<FlowSocket> {
  const socket = createSocket({ type: isIp6 ? 'udp6' : 'udp4', ipv6Only, lookup: literalLookup });
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      socket.close();
      reject(error);
    };
    socket.once('error', fail);
    socket.once(event, () => {
      socket.off('error', fail);
      onOpened(socket);
      resolve(new SystemFlowSocket(socket, handler, isIp6 && !ipv6Only));
    });
    try {
      start(socket);
    } catch (error) {
      fail(error as Error);
    }
  });
}

class SystemFlowSocket implements FlowSocket {
  readonly address: Address;
  readonly #socket: Socket;
  readonly #handler: FlowSocketHandler;
  readonly #isDualStack: boolean;
  #isClosed = false;
  /** One callback for all messages, so that a message costs no closure. */
  readonly #onSent = (error: Error | null): void => {
    if (error !== null) this.#onError(error);
  };

  /** @param isDualStack  whether the socket writes IPv4 addresses as IPv6 */
  constructor(socket: Socket, handler: FlowSocketHandler, isDualStack: boolean) {
    this.#isDualStack = isDualStack;
    this.#socket = socket;
    this.#handler = handler;
    const { address, port } = socket.address();
    this.address = { address: fromDualStack(address), port };
    socket.on('message', (message: Uint8Array, from: RemoteInfo) => {
      if (this.#isClosed || from.port === 0) return;
      handler.onMessage(message, { address: fromDualStack(from.address), port: from.port });
    });
    socket.on('error', (error) => this.#onError(error));
  }

  send(message: Uint8Array, to?: Address): void {
    if (this.#isClosed || this.#socket.getSendQueueSize() > FLOW_SOCKET_QUEUE_BYTES) return;
    if (to === undefined) this.#socket.send(message, this.#onSent);
    else if (to.port !== 0) {
      const address = this.#isDualStack ? toDualStack(to.address) : to.address;
      this.#socket.send(message, to.port, address, this.#onSent);
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#socket.close();
  }

  #onError(error: Error): void {
    if (!this.#isClosed) this.#handler.onError?.(systemCode(error));
  }
}
