/** SOCKS 5, as a dynamic forward speaks it: no authentication, CONNECT and UDP ASSOCIATE (spec proxy 2, 9; RFC 1928). */
import type { Address } from '@underpass/protocol';
import ipaddr from 'ipaddr.js';
import type { TcpTarget } from '../forward-spec.js';
import { formatAddress, parseAddress } from '../host.js';
import type { TunnelFailure } from '../tunnel-error.js';
import { ascii, isProxyTarget, MORE, type ProxyRequest, type ProxyStep } from './proxy-request.js';

export const SOCKS5_VERSION = 0x05;
const NO_AUTHENTICATION = 0x00;
const NO_ACCEPTABLE_METHOD = 0xff;
const CONNECT = 0x01;
const UDP_ASSOCIATE = 0x03;

/** The codes of RFC 1928 §6. */
const Reply = {
  succeeded: 0x00,
  generalFailure: 0x01,
  notAllowed: 0x02,
  networkUnreachable: 0x03,
  hostUnreachable: 0x04,
  connectionRefused: 0x05,
  ttlExpired: 0x06,
  commandNotSupported: 0x07,
  addressTypeNotSupported: 0x08,
} as const;

/** Reads the list of methods with which a program begins. Total: any bytes give a step. */
export function readGreeting(bytes: Uint8Array): ProxyStep {
  const methods = bytes[1];
  if (methods === undefined || bytes.length < 2 + methods) return MORE;
  if (bytes.subarray(2, 2 + methods).includes(NO_AUTHENTICATION)) {
    return {
      kind: 'more',
      reply: Uint8Array.of(SOCKS5_VERSION, NO_AUTHENTICATION),
      bytesRead: 2 + methods,
    };
  }
  return {
    kind: 'refused',
    reply: Uint8Array.of(SOCKS5_VERSION, NO_ACCEPTABLE_METHOD),
    reason: 'SOCKS authentication: there is none, so leave user name and password out',
  };
}

/** Reads the request that follows the greeting. Total: any bytes give a step. */
export function readRequest(bytes: Uint8Array): ProxyStep {
  const [version, command, , addressType] = bytes;
  if (version === undefined) return MORE;
  if (version !== SOCKS5_VERSION) return refused(Reply.generalFailure, 'a SOCKS 5 request that is malformed');
  if (addressType === undefined) return MORE;
  const address = readAddress(bytes.subarray(3));
  if (address === 'incomplete') return MORE;
  if (address === 'unknown-type') {
    return refused(
      Reply.addressTypeNotSupported,
      `a SOCKS 5 address of type ${addressType}, which does not exist`,
    );
  }
  const { target, bytesRead } = address;
  if (command === UDP_ASSOCIATE) {
    return { kind: 'request', request: associate(target.port), bytesRead: 3 + bytesRead };
  }
  if (command !== CONNECT) {
    const reason = `the SOCKS 5 command ${command}: only CONNECT and UDP ASSOCIATE are supported`;
    return refused(Reply.commandNotSupported, reason);
  }
  if (!isProxyTarget(target)) {
    return refused(Reply.generalFailure, 'a SOCKS 5 target that is not a valid host and port');
  }
  return { kind: 'request', request: connectTo(target), bytesRead: 3 + bytesRead };
}

export interface SocksAddress {
  readonly target: TcpTarget;
  readonly bytesRead: number;
}

/** Reads a type of address, the address and a port (RFC 1928 §5). The name is not checked. */
export function readAddress(bytes: Uint8Array): SocksAddress | 'incomplete' | 'unknown-type' {
  const [type, first] = bytes;
  if (type === undefined) return 'incomplete';
  const isName = type === 0x03;
  const start = isName ? 2 : 1;
  const length = type === 0x01 ? 4 : type === 0x04 ? 16 : isName ? first : 0;
  if (length === 0) return isName ? emptyName(bytes) : 'unknown-type';
  if (length === undefined || bytes.length < start + length + 2) return 'incomplete';
  const address = bytes.subarray(start, start + length);
  const host = isName ? ascii(address) : formatAddress(ipaddr.fromByteArray([...address]));
  const end = start + length;
  const port = ((bytes[end] as number) << 8) | (bytes[end + 1] as number);
  return { target: { host, port }, bytesRead: end + 2 };
}

function emptyName(bytes: Uint8Array): SocksAddress | 'incomplete' {
  return bytes.length < 4 ? 'incomplete' : { target: { host: '', port: 0 }, bytesRead: 4 };
}

function connectTo(target: TcpTarget): ProxyRequest {
  return {
    command: 'connect',
    target,
    granted: encodeReply(Reply.succeeded),
    refusal: (failure) => encodeReply(replyFor(failure)),
  };
}

function associate(fromPort: number): ProxyRequest {
  return {
    command: 'associate',
    fromPort,
    granted: (address) => {
      const header = Uint8Array.of(SOCKS5_VERSION, Reply.succeeded, 0);
      return Buffer.concat([header, encodeSocksAddress(address)]);
    },
    refusal: (failure) => encodeReply(replyFor(failure)),
  };
}

/** Writes an address in the form that `readAddress` reads.
 *  @param address  an IP literal without a zone, and a port */
export function encodeSocksAddress({ address, port }: Address): Uint8Array {
  const bytes = parseAddress(address)?.toByteArray() ?? [0, 0, 0, 0];
  return Uint8Array.of(bytes.length === 4 ? 0x01 : 0x04, ...bytes, port >>> 8, port);
}

/** spec proxy 6 */
function replyFor(failure: TunnelFailure): number {
  switch (failure) {
    case 'not-allowed':
      return Reply.notAllowed;
    case 'name-not-found':
      return Reply.hostUnreachable;
    case 'connection-refused':
      return Reply.connectionRefused;
    case 'unreachable':
      return Reply.networkUnreachable;
    case 'timed-out':
    case 'relay-not-reached':
      return Reply.ttlExpired;
    default:
      return Reply.generalFailure;
  }
}

/** With the bound address 0.0.0.0 and port 0. */
function encodeReply(code: number): Uint8Array {
  return Uint8Array.of(SOCKS5_VERSION, code, 0, 0x01, 0, 0, 0, 0, 0, 0);
}

function refused(code: number, reason: string): ProxyStep {
  return { kind: 'refused', reply: encodeReply(code), reason };
}
