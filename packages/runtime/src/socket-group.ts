/** Several UDP sockets on one port, one for each worker process of a relay. The kernel reads in each datagram for which
 *  worker it is meant (spec session 3.3, adr 0029). */
import { type Address, MessageType, ResponseOffset, TransportOffset } from '@underpass/protocol';
import { type CLibrary, cLibrary, closeDescriptor, openDescriptor, setOption } from './native-socket.js';
import { fromDualStack } from './socket-address.js';
import { type Family, SOCKET_BUFFER_BYTES } from './system-socket.js';
import { bindError, UnderpassError } from './underpass-error.js';

const SOL_SOCKET = 1;
const SO_ATTACH_REUSEPORT_CBPF = 51;
const EADDRINUSE = 98;

/** A socket of a group, for a process that inherits its descriptor. */
export interface SharedSocket {
  readonly fd: number;
  readonly family: Family;
}

/** Sockets on one port that outlive the processes which use them.
 *
 *  The main process opens them all, keeps them open and never reads from them. A worker gets a copy of one descriptor.
 *  So the order in which the kernel numbers them never changes, and datagrams for a worker that has to be restarted
 *  wait in its socket. */
export interface SocketGroup {
  readonly address: Address;
  /** By the number of the worker. */
  readonly sockets: readonly SharedSocket[];
  close(): void;
}

export interface SocketGroupOptions {
  /** An IP literal. By default every interface. */
  readonly host?: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly count: number;
}

/** Whether this machine can steer datagrams: that takes Linux and koffi. */
export function canOpenSocketGroup(): boolean {
  return cLibrary() !== undefined;
}

/** @throws UnderpassError when the port cannot be bound */
export function openSocketGroup({ host, port, count }: SocketGroupOptions): SocketGroup {
  const library = cLibrary();
  const what = `UDP port ${port}${host === undefined ? '' : ` on ${host}`}`;
  if (library === undefined) throw new UnderpassError('cannot-bind', `${what} cannot be shared`, 'install koffi');
  const places: [Family, string][] =
    host !== undefined
      ? [[host.includes(':') ? 'udp6' : 'udp4', host]]
      : [
          ['udp6', '::'],
          ['udp4', '0.0.0.0'],
        ];
  let failure: unknown;
  for (const [family, at] of places) {
    try {
      return open(library, family, at, port, count);
    } catch (error) {
      failure = error;
      // Another program has the port: that is no reason to try without IPv6.
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') break;
    }
  }
  throw bindError(what, failure);
}

function open(library: CLibrary, family: Family, host: string, port: number, count: number): SocketGroup {
  const shared = { family, host, bufferBytes: SOCKET_BUFFER_BYTES };
  // Sockets that share a port could also share it with those of a relay that runs already. One that does not share
  // tells us whether somebody has the port.
  const probe = openDescriptor(library, { ...shared, port });
  const actualPort = portOf(library, probe, family);
  closeDescriptor(library, probe);
  const sockets: SharedSocket[] = [];
  const close = (): void => {
    for (const { fd } of sockets.splice(0)) closeDescriptor(library, fd);
  };
  try {
    for (let i = 0; i < count; i++) {
      sockets.push({ fd: openDescriptor(library, { ...shared, port: actualPort, sharesPort: true }), family });
    }
    attachFilter(library, (sockets[0] as SharedSocket).fd, count);
  } catch (error) {
    close();
    throw error;
  }
  return { address: { address: fromDualStack(host), port: actualPort }, sockets, close };
}

function portOf(library: CLibrary, fd: number, family: Family): number {
  const address = new Uint8Array(family === 'udp4' ? 16 : 28);
  library.getsockname(fd, address, Uint32Array.of(address.length));
  return new DataView(address.buffer).getUint16(2);
}

/** Instructions of the classic BPF; linux/filter.h. */
const LOAD_BYTE = 0x30;
const JUMP = 0x05;
const JUMP_IF_EQUAL = 0x15;
const JUMP_IF_AT_LEAST = 0x35;
const MODULO = 0x94;
const RETURN_NUMBER = 0x06;
const RETURN_RESULT = 0x16;
/** No socket has this number. The kernel then chooses by the addresses and ports, so that all initiations of one sender
 *  reach the same worker. */
const BY_ADDRESS = 0xffff_ffff;

/** The program that the kernel runs for each datagram. It returns the number of the socket. A byte beyond the end of the
 *  datagram ends it with 0.
 *  @returns an instruction for each row: its code, how many instructions to skip if true and if false, and its number */
export function steeringProgram(count: number): readonly (readonly [number, number, number, number])[] {
  return [
    [LOAD_BYTE, 0, 0, 0],
    [JUMP_IF_EQUAL, 3, 0, MessageType.response],
    [JUMP_IF_AT_LEAST, 0, 5, MessageType.cookieReply], // a cookie reply or a transport packet
    [LOAD_BYTE, 0, 0, TransportOffset.receiverIndex],
    [JUMP, 0, 0, 1],
    [LOAD_BYTE, 0, 0, ResponseOffset.receiverIndex],
    [MODULO, 0, 0, count],
    [RETURN_RESULT, 0, 0, 0],
    [RETURN_NUMBER, 0, 0, BY_ADDRESS],
  ];
}

function attachFilter(library: CLibrary, fd: number, count: number): void {
  const program = steeringProgram(count);
  const instructions = new DataView(new ArrayBuffer(8 * program.length));
  for (const [i, [code, ifTrue, ifFalse, number]] of program.entries()) {
    instructions.setUint16(8 * i, code, true);
    instructions.setUint8(8 * i + 2, ifTrue);
    instructions.setUint8(8 * i + 3, ifFalse);
    instructions.setUint32(8 * i + 4, number, true);
  }
  const header = new DataView(new ArrayBuffer(16));
  header.setUint16(0, program.length, true);
  header.setBigUint64(8, library.addressOf(new Uint8Array(instructions.buffer)), true);
  const bytes = new Uint8Array(header.buffer);
  if (library.setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, bytes, bytes.length) === 0) return;
  throw Object.assign(new Error('the kernel does not steer datagrams'), { code: 'ENOPROTOOPT' });
}
void EADDRINUSE;
void setOption;
