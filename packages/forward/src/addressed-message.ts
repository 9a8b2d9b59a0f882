/** Messages of a flow without a fixed target: each begins with the address at its other end, in the form that SOCKS 5
 *  has (spec forwarding 5.7; RFC 1928 §5). */
import type { Address } from '@underpass/protocol';
import type { UdpTarget } from './forward-spec.js';
import { encodeSocksAddress, readAddress } from './proxy/socks5.js';
import { isRequestable } from './request.js';

export interface AddressedMessage {
  readonly target: UdpTarget;
  readonly payload: Uint8Array;
}

/** Total: any bytes give a message, or undefined. @param bytes  the payload is a view into them */
export function decodeAddressed(bytes: Uint8Array): AddressedMessage | undefined {
  const address = readAddress(bytes);
  if (typeof address === 'string') return undefined;
  const { host, port } = address.target;
  if (!isRequestable(host, port)) return undefined;
  return { target: { host, port, protocol: 'udp' }, payload: bytes.subarray(address.bytesRead) };
}

/** @param from  an IP literal without a zone, and a port */
export function encodeAddressed(from: Address, payload: Uint8Array): Uint8Array {
  const address = encodeSocksAddress(from);
  const message = new Uint8Array(address.length + payload.length);
  message.set(address);
  message.set(payload, address.length);
  return message;
}
