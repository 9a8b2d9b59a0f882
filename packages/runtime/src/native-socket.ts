/** Opens a UDP socket with options that Node does not expose, by calls of the C library. Node then takes over the
 *  descriptor. */
import { type CLibrary, cLibrary } from './c-library.js';

// The values for Linux on x64 and arm64. Other processors use other values for some of them.
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_REUSEPORT = 15;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SO_ATTACH_REUSEPORT_CBPF = 51;
const IPPROTO_IP = 0;
const IP_MTU_DISCOVER = 10;
const IPPROTO_IPV6 = 41;
const IPV6_MTU_DISCOVER = 23;
const IPV6_V6ONLY = 26;
/** Never fragment, neither here nor on the way, and ignore what ICMP reports about the path; ip(7). */
const PMTUDISC_PROBE = 3;
/** Fragment where necessary, here and on the way, and ignore ICMP too. */
const PMTUDISC_OMIT = 5;
/** Segmentation and coalescing of datagrams; udp(7), linux/udp.h. */
const SOL_UDP = 17;
const UDP_SEGMENT = 103;
const UDP_GRO = 104;

/** sockaddr_in and sockaddr_in6; ip(7), ipv6(7). */
const ADDRESS_BYTES = { udp4: 16, udp6: 28 };

export interface NativeSocketOptions {
  readonly family: 'udp4' | 'udp6';
  /** An IP literal. `::` also receives IPv4. */
  readonly host: string;
  readonly port: number;
  readonly bufferBytes: number;
  /** Another socket of this process holds the port for all addresses and allows sharing at this moment. */
  readonly sharesAddress?: boolean;
  /** Other sockets that also say so may bind the same port, and the kernel divides its datagrams among them. */
  readonly sharesPort?: boolean;
}

/** Sets options of a socket whose descriptor already belongs to Node.
 *
 *  Each option applies to the whole socket and to datagrams that wait in its queue, so its user must change it only
 *  while none wait. (Linux can set the same option for a single message only over IPv6.) It remembers the current
 *  value, so setting the same value again costs nothing. It never owns the descriptor: `release` makes it forget the
 *  number before Node closes it. */
export class NativeOptions {
  /** Whether the system can cut what is sent into datagrams. */
  readonly canSegment: boolean;
  /** Whether the system may join datagrams of one sender and hand them over as one message. */
  readonly coalesces: boolean;
  readonly #library: CLibrary;
  #fd: number;
  #mayFragment = false;
  #segmentBytes = 0;

  constructor(library: CLibrary, fd: number) {
    this.#library = library;
    this.#fd = fd;
    this.canSegment = setOption(library, fd, SOL_UDP, UDP_SEGMENT, 0);
    this.coalesces = setOption(library, fd, SOL_UDP, UDP_GRO, 1);
  }

  /** The descriptor; negative once it was released. */
  get fd(): number {
    return this.#fd;
  }

  get mayFragment(): boolean {
    return this.#mayFragment;
  }

  /** Whether IPv4 datagrams may be fragmented, by this system and by routers (spec mtu 1.4). */
  set mayFragment(allowed: boolean) {
    if (allowed === this.#mayFragment || this.#fd < 0) return;
    const mode = allowed ? PMTUDISC_OMIT : PMTUDISC_PROBE;
    if (setOption(this.#library, this.#fd, IPPROTO_IP, IP_MTU_DISCOVER, mode)) this.#mayFragment = allowed;
  }

  get segmentBytes(): number {
    return this.#segmentBytes;
  }

  /** The size of the datagrams into which the system cuts what is sent. 0 sends it as it is. */
  set segmentBytes(bytes: number) {
    if (bytes === this.#segmentBytes || this.#fd < 0) return;
    if (setOption(this.#library, this.#fd, SOL_UDP, UDP_SEGMENT, bytes)) this.#segmentBytes = bytes;
  }

  /** Whether other sockets that also allow it may bind the port. Matters only at the moment when they bind. */
  set sharesAddress(shares: boolean) {
    if (this.#fd >= 0) setOption(this.#library, this.#fd, SOL_SOCKET, SO_REUSEADDR, shares ? 1 : 0);
  }

  /** Call before Node closes the descriptor: the system soon gives its number to another file. */
  release(): void {
    this.#fd = -1;
  }
}

/** Opens and binds a socket that initially forbids fragmentation (spec mtu 1.4).
 *
 *  @param adopt  passes the descriptor to Node and keeps the options, or throws without having taken either
 *  @returns the result of `adopt`, or undefined on any failure. Nothing is left open then; the caller opens an ordinary
 *    socket, which reports the cause */
export function openNativeSocket<T>(
  options: NativeSocketOptions,
  adopt: (fd: number, options: NativeOptions) => T,
  library = cLibrary(),
): T | undefined {
  const fd = library && openDescriptor(options, library);
  if (library === undefined || fd === undefined) return undefined;
  try {
    return adoptDescriptor(fd, adopt, library);
  } catch {
    // Node did not take it.
    library.close(fd);
    return undefined;
  }
}

/** Passes a descriptor to Node.
 *  @throws if `adopt` does */
export function adoptDescriptor<T>(
  fd: number,
  adopt: (fd: number, options: NativeOptions) => T,
  library: CLibrary,
): T {
  const adopted = adopt(fd, new NativeOptions(library, fd));
  // libuv lets others share the port of a socket that it adopts. Undo that, so that it is ours alone.
  setOption(library, fd, SOL_SOCKET, SO_REUSEADDR, 0);
  return adopted;
}

/** Opens and binds a socket, which the caller has to close.
 *  @returns undefined on any failure; nothing is left open then */
export function openDescriptor(options: NativeSocketOptions, library: CLibrary): number | undefined {
  const domain = options.family === 'udp4' ? AF_INET : AF_INET6;
  const fd = library.socket(domain, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return undefined;
  if (options.sharesAddress === true) setOption(library, fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (options.sharesPort === true) setOption(library, fd, SOL_SOCKET, SO_REUSEPORT, 1);
  // Node treats descriptor 0 as no descriptor. It can be free if the program runs without standard input.
  if (fd > 0 && refuseFragments(library, fd, options) && bind(library, fd, options)) {
    askForBuffers(library, fd, options.bufferBytes);
    return fd;
  }
  library.close(fd);
  return undefined;
}

/** Makes the kernel ask a program which of the sockets that share a port gets a datagram (socket(7)).
 *  @param program  classic BPF, 8 bytes for each instruction; linux/filter.h
 *  @returns false if the kernel refuses */
export function attachSteering(fd: number, program: Uint8Array, library: CLibrary): boolean {
  const header = new DataView(new ArrayBuffer(16));
  header.setUint16(0, program.length / 8, true);
  header.setBigUint64(8, library.addressOf(program), true);
  const bytes = new Uint8Array(header.buffer);
  return library.setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, bytes, bytes.length) === 0;
}

/** An IPv6 socket needs both options, because it sends IPv4 through IPv4-mapped addresses. */
function refuseFragments(library: CLibrary, fd: number, { family, host }: NativeSocketOptions): boolean {
  if (!setOption(library, fd, IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_PROBE)) return false;
  if (family === 'udp4') return true;
  return (
    setOption(library, fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_PROBE) &&
    (host !== '::' || setOption(library, fd, IPPROTO_IPV6, IPV6_V6ONLY, 0))
  );
}

function bind(library: CLibrary, fd: number, { family, host, port }: NativeSocketOptions): boolean {
  const address = new Uint8Array(ADDRESS_BYTES[family]);
  const view = new DataView(address.buffer);
  view.setUint16(0, family === 'udp4' ? AF_INET : AF_INET6, true);
  view.setUint16(2, port);
  const bytes = family === 'udp4' ? address.subarray(4, 8) : address.subarray(8, 24);
  // The C library rejects a literal with a scope (`fe80::1%eth0`) here. An ordinary socket accepts it.
  if (library.inet_pton(family === 'udp4' ? AF_INET : AF_INET6, host, bytes) !== 1) return false;
  return library.bind(fd, address, address.length) === 0;
}

/** Exceeds the system's limit where that is permitted (CAP_NET_ADMIN); socket(7). */
function askForBuffers(library: CLibrary, fd: number, bytes: number): void {
  for (const [force, ask] of [
    [SO_RCVBUFFORCE, SO_RCVBUF],
    [SO_SNDBUFFORCE, SO_SNDBUF],
  ] as const) {
    if (!setOption(library, fd, SOL_SOCKET, force, bytes)) setOption(library, fd, SOL_SOCKET, ask, bytes);
  }
}

function setOption(library: CLibrary, fd: number, level: number, name: number, value: number): boolean {
  optionValue[0] = value;
  return library.setsockopt(fd, level, name, optionBytes, optionBytes.length) === 0;
}

const optionValue = new Int32Array(1);
const optionBytes = new Uint8Array(optionValue.buffer);
