/** Several UDP sockets on one port, one for each worker process of a relay. The kernel reads in each datagram for which
 *  worker it is meant (spec session 3.3). */
import { isIP } from 'node:net';
import { type Address, MessageType, ResponseOffset, TransportOffset } from '@underpass/protocol';
import { type CLibrary, cLibrary } from './c-library.js';
import { attachSteering, openDescriptor } from './native-socket.js';
import { type SharedSocket, SOCKET_BUFFER_BYTES } from './system-socket.js';
import { openUdpSocket } from './udp-socket.js';
import { UnderpassError } from './underpass-error.js';

/** Sockets on one port that outlive the processes which use them.
 *
 *  The main process opens them all, keeps them open and never reads from them. A worker inherits one descriptor. So the
 *  order in which the kernel numbers the sockets never changes, and datagrams for a worker that has to be restarted
 *  wait in its socket. */
export interface SocketGroup {
  readonly address: Address;
  /** By the number of the worker. */
  readonly sockets: readonly SharedSocket[];
  close(): void;
}

export interface SocketGroupOptions {
  /** An IP literal. By default every interface, with IPv6 and IPv4 on one socket where the system has IPv6. */
  readonly host?: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly count: number;
}

/** Whether this machine may be able to steer datagrams, which takes Linux and koffi. */
export function canShareSockets(): boolean {
  return cLibrary() !== undefined;
}

/** @throws UnderpassError when the port cannot be bound, or the kernel cannot steer datagrams */
export async function openSocketGroup({ host, port, count }: SocketGroupOptions): Promise<SocketGroup> {
  const library = cLibrary();
  if (library === undefined) throw cannotShare();
  // Sockets that share a port would also share it with those of a relay that runs already. A socket that does not share
  // fails instead, and chooses family and port.
  const probe = await openUdpSocket({ ...(host !== undefined && { host }), port, kind: 'plain' });
  const { address } = probe;
  await probe.close();
  const sockets: SharedSocket[] = [];
  const close = (): void => {
    for (const { fd } of sockets.splice(0)) library.close(fd);
  };
  try {
    for (let i = 0; i < count; i++) sockets.push(openShared(address, library));
    const first = sockets[0];
    if (first === undefined || !attachSteering(first.fd, steeringProgram(count), library))
      throw cannotShare();
  } catch (error) {
    close();
    throw error;
  }
  return { address, sockets, close };
}

function openShared({ address, port }: Address, library: CLibrary): SharedSocket {
  const family = isIP(address) === 4 ? 'udp4' : 'udp6';
  const options = {
    family,
    host: address,
    port,
    bufferBytes: SOCKET_BUFFER_BYTES,
    sharesPort: true,
  } as const;
  const fd = openDescriptor(options, library);
  if (fd === undefined) throw cannotShare();
  return { fd, family };
}

function cannotShare(): UnderpassError {
  return new UnderpassError(
    'cannot-bind',
    'this machine cannot divide the datagrams of a port among processes',
    'it takes Linux and the package koffi: leave out --workers',
  );
}

/** Instructions of classic BPF; linux/filter.h. */
const LOAD_BYTE = 0x30;
const JUMP = 0x05;
const JUMP_IF_EQUAL = 0x15;
const JUMP_IF_AT_LEAST = 0x35;
const MODULO = 0x94;
const RETURN_NUMBER = 0x06;
const RETURN_RESULT = 0x16;
/** No socket has this number. The kernel then chooses by addresses and ports, so that all initiations of one sender
 *  reach the same worker. */
const BY_ADDRESS = 0xffff_ffff;

/** The program that the kernel runs for each datagram. Its result is the number of the socket. Reading beyond the end of
 *  a datagram ends it with 0. Each instruction says how many to skip, if its condition is true and if it is false. */
function steeringProgram(count: number): Uint8Array {
  const program = [
    [LOAD_BYTE, 0, 0, 0],
    [JUMP_IF_EQUAL, 3, 0, MessageType.response],
    [JUMP_IF_AT_LEAST, 0, 5, MessageType.cookieReply], // a cookie reply or a transport packet
    [LOAD_BYTE, 0, 0, TransportOffset.receiverIndex],
    [JUMP, 0, 0, 1],
    [LOAD_BYTE, 0, 0, ResponseOffset.receiverIndex],
    [MODULO, 0, 0, count],
    [RETURN_RESULT, 0, 0, 0],
    [RETURN_NUMBER, 0, 0, BY_ADDRESS],
  ] as const;
  const view = new DataView(new ArrayBuffer(8 * program.length));
  for (const [i, [code, ifTrue, ifFalse, number]] of program.entries()) {
    view.setUint16(8 * i, code, true);
    view.setUint8(8 * i + 2, ifTrue);
    view.setUint8(8 * i + 3, ifFalse);
    view.setUint32(8 * i + 4, number, true);
  }
  return new Uint8Array(view.buffer);
}
