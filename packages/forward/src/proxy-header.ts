/** The header of HAProxy's PROXY protocol, version 2, which tells a server who connected to a proxy in front of it
 *  (spec forwarding 2.8). */
import type { Socket } from 'node:net';
import { isIp6, parseAddress } from './host.js';

/** An end of a connection: an IP literal and a port. */
export interface ConnectionEnd {
  readonly address: string;
  readonly port: number;
}

const SIGNATURE = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];
/** Version 2, and the command PROXY: the connection comes from somebody else. */
const VERSION_AND_COMMAND = 0x21;
const Family = { unknown: 0x00, tcp4: 0x11, tcp6: 0x21 } as const;

/** @param source  who connected
 *  @param destination  what it connected to
 *  @returns a header without addresses if an end is missing or is not IP */
export function encodeProxyHeader(
  source: ConnectionEnd | undefined,
  destination: ConnectionEnd | undefined,
): Uint8Array {
  const from = source && parseAddress(source.address);
  const to = destination && parseAddress(destination.address);
  if (source === undefined || destination === undefined || from === undefined || to === undefined) {
    return header(Family.unknown, []);
  }
  const isTcp6 = isIp6(from) || isIp6(to);
  // A header has addresses of one family only: an IPv4 address is written as IPv4-mapped beside an IPv6 one.
  const bytesOf = (address: typeof from): number[] =>
    isTcp6 && !isIp6(address) ? address.toIPv4MappedAddress().toByteArray() : address.toByteArray();
  const ports = [source.port, destination.port].flatMap((port) => [port >> 8, port & 0xff]);
  return header(isTcp6 ? Family.tcp6 : Family.tcp4, [...bytesOf(from), ...bytesOf(to), ...ports]);
}

/** The header for a connection that a local program made to `socket`. */
export function proxyHeaderOf(socket: Socket): Uint8Array {
  return encodeProxyHeader(
    connectionEnd(socket.remoteAddress, socket.remotePort),
    connectionEnd(socket.localAddress, socket.localPort),
  );
}

function connectionEnd(address: string | undefined, port: number | undefined): ConnectionEnd | undefined {
  return address === undefined || port === undefined ? undefined : { address, port };
}

function header(family: number, addresses: readonly number[]): Uint8Array {
  return Uint8Array.of(
    ...SIGNATURE,
    VERSION_AND_COMMAND,
    family,
    addresses.length >> 8,
    addresses.length & 0xff,
    ...addresses,
  );
}
