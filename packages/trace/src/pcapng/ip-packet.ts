/** IP and UDP headers for datagrams whose real ones we have not seen: a socket gives only the payload and the addresses
 *  (RFC 791, RFC 8200, RFC 768). */
import type { Address } from '@underpass/protocol';
import { ipv4Bytes, ipv6Bytes } from './ip-address.js';

const IPV4_HEADER_BYTES = 20;
const IPV6_HEADER_BYTES = 40;
const UDP_HEADER_BYTES = 8;
const UDP = 17;
const HOP_LIMIT = 64;
const IPV4_DONT_FRAGMENT = 0x4000;
/** Checksums are sums of 16-bit words. */
const WORD = 0x1_0000;

/** Puts `payload` into an IP packet, with correct lengths and checksums.
 *
 *  If one address is IPv4 and the other unspecified (`::`, a socket for all addresses), the packet is IPv4. An address
 *  that is not an IP literal becomes the unspecified one.
 *
 *  @param payload  at most 65507 bytes */
export function udpOverIp(from: Address, to: Address, payload: Uint8Array): Uint8Array {
  const ipv4 = [ipv4Bytes(from.address), ipv4Bytes(to.address)] as const;
  if (ipv4[0] !== undefined || ipv4[1] !== undefined) {
    const [source = new Uint8Array(4), destination = new Uint8Array(4)] = ipv4;
    const packet = new Uint8Array(IPV4_HEADER_BYTES + UDP_HEADER_BYTES + payload.length);
    const view = new DataView(packet.buffer);
    view.setUint8(0, 0x45); // version 4, header of 5 words
    view.setUint16(2, packet.length);
    view.setUint16(6, IPV4_DONT_FRAGMENT);
    view.setUint8(8, HOP_LIMIT);
    view.setUint8(9, UDP);
    packet.set(source, 12);
    packet.set(destination, 16);
    view.setUint16(10, checksum(packet.subarray(0, IPV4_HEADER_BYTES), 0));
    writeUdp(packet, IPV4_HEADER_BYTES, from.port, to.port, payload, [source, destination]);
    return packet;
  }
  const source = ipv6Bytes(from.address) ?? new Uint8Array(16);
  const destination = ipv6Bytes(to.address) ?? new Uint8Array(16);
  const packet = new Uint8Array(IPV6_HEADER_BYTES + UDP_HEADER_BYTES + payload.length);
  const view = new DataView(packet.buffer);
  view.setUint8(0, 0x60); // version 6
  view.setUint16(4, UDP_HEADER_BYTES + payload.length);
  view.setUint8(6, UDP);
  view.setUint8(7, HOP_LIMIT);
  packet.set(source, 8);
  packet.set(destination, 24);
  writeUdp(packet, IPV6_HEADER_BYTES, from.port, to.port, payload, [source, destination]);
  return packet;
}

function writeUdp(
  packet: Uint8Array,
  offset: number,
  fromPort: number,
  toPort: number,
  payload: Uint8Array,
  addresses: readonly Uint8Array[],
): void {
  const length = UDP_HEADER_BYTES + payload.length;
  const view = new DataView(packet.buffer);
  view.setUint16(offset, fromPort);
  view.setUint16(offset + 2, toPort);
  view.setUint16(offset + 4, length);
  packet.set(payload, offset + UDP_HEADER_BYTES);
  // The checksum also covers the addresses, the protocol and the length (RFC 768, RFC 8200 §8.1).
  const pseudoHeader = addresses.reduce((sum, address) => sum + sumOfWords(address), UDP + length);
  const sum = checksum(packet.subarray(offset), pseudoHeader);
  view.setUint16(offset + 6, sum === 0 ? 0xffff : sum); // zero means that there is none
}

/** The Internet checksum (RFC 1071). @param initial  the sum of further words */
function checksum(bytes: Uint8Array, initial: number): number {
  let sum = initial + sumOfWords(bytes);
  while (sum >= WORD) sum = (sum % WORD) + Math.floor(sum / WORD);
  return ~sum & 0xffff;
}

function sumOfWords(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] as number) << 8) | (bytes[i + 1] ?? 0);
  return sum;
}
