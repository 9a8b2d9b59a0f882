/** Sends a datagram to a unix socket, which Node cannot do, by calls of the C library. */
import { cLibrary } from './c-library.js';

// The values for Linux on x64 and arm64. Other processors use other values for some of them.
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
/** `sun_path` of sockaddr_un, with its closing NUL; unix(7). */
const MAX_PATH_BYTES = 108;
const FAMILY_BYTES = 2;

/** Never waits: if the receiver's queue is full, the datagram is not sent.
 *
 *  @param path  the socket's path, or `@` and a name in the abstract namespace, as systemd writes it
 *  @returns whether the system took the datagram; false also where koffi is not installed */
export function sendUnixDatagram(path: string, bytes: Uint8Array, library = cLibrary()): boolean {
  const address = unixAddress(path);
  if (library === undefined || address === undefined) return false;
  const fd = library.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
  const sent = library.sendto(fd, bytes, bytes.length, flags, address, address.length);
  library.close(fd);
  return Number(sent) === bytes.length;
}

/** A sockaddr_un, or undefined for a path that it cannot hold. An abstract name starts with NUL and has no NUL at the
 *  end. */
function unixAddress(path: string): Uint8Array | undefined {
  const isAbstract = path.startsWith('@');
  const text = new TextEncoder().encode(isAbstract ? path.slice(1) : path);
  if (text.length === 0 || text.length + 1 > MAX_PATH_BYTES || text.includes(0)) return undefined;
  const address = new Uint8Array(FAMILY_BYTES + text.length + 1);
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  address.set(text, isAbstract ? FAMILY_BYTES + 1 : FAMILY_BYTES);
  return address;
}
