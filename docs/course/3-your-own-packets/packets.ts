/** Step 3: what a packet looks like. Reads IPv4 packets with UDP or TCP inside, and writes files that Wireshark opens. */

export interface Packet {
  readonly protocol: 'udp' | 'tcp';
  readonly from: string;
  readonly to: string;
  readonly fromPort: number;
  readonly toPort: number;
  /** What the program sent. A view into the packet. */
  readonly payload: Uint8Array;
}

const PROTOCOL_TCP = 6;
const PROTOCOL_UDP = 17;
const UDP_HEADER_BYTES = 8;
const MIN_HEADER_BYTES = 20;

/** Reads one IPv4 packet (RFC 791).
 *
 *  Every length in it was written by somebody else. Each is compared with what is really there before it is used.
 *  @param bytes  from the first byte of the IP header; may have padding behind the packet, as short Ethernet frames do
 *  @returns the reason if it is not a whole IPv4 packet with UDP or TCP */
export function parsePacket(bytes: Uint8Array): Packet | { readonly reason: string } {
  if (bytes.length < MIN_HEADER_BYTES) return { reason: 'shorter than an IPv4 header' };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint8(0) >> 4 !== 4) return { reason: 'not IPv4' };
  // The header's length counts words of four bytes. With options it is more than 20 bytes.
  const headerBytes = (view.getUint8(0) & 0x0f) * 4;
  const totalBytes = view.getUint16(2);
  if (headerBytes < MIN_HEADER_BYTES) return { reason: 'a header length below 20 bytes' };
  if (totalBytes > bytes.length) return { reason: 'cut short: the rest was not captured' };
  if (headerBytes > totalBytes) return { reason: 'a header longer than its packet' };
  if (internetChecksum(bytes.subarray(0, headerBytes)) !== 0) return { reason: 'a wrong header checksum' };
  // The lower 13 bits say where in the whole datagram this fragment belongs. Only the first has the ports.
  if ((view.getUint16(6) & 0x1fff) !== 0) return { reason: 'a later fragment' };
  const addresses = { from: addressAt(bytes, 12), to: addressAt(bytes, 16) };
  const inner = bytes.subarray(headerBytes, totalBytes);
  const innerView = new DataView(inner.buffer, inner.byteOffset, inner.byteLength);
  const ports = (): { fromPort: number; toPort: number } => ({
    fromPort: innerView.getUint16(0),
    toPort: innerView.getUint16(2),
  });
  switch (view.getUint8(9)) {
    case PROTOCOL_UDP: {
      if (inner.length < UDP_HEADER_BYTES) return { reason: 'shorter than a UDP header' };
      const udpBytes = innerView.getUint16(4);
      if (udpBytes < UDP_HEADER_BYTES || udpBytes > inner.length) return { reason: 'a wrong UDP length' };
      return {
        protocol: 'udp',
        ...addresses,
        ...ports(),
        payload: inner.subarray(UDP_HEADER_BYTES, udpBytes),
      };
    }
    case PROTOCOL_TCP: {
      if (inner.length < MIN_HEADER_BYTES) return { reason: 'shorter than a TCP header' };
      const tcpHeaderBytes = (innerView.getUint8(12) >> 4) * 4;
      if (tcpHeaderBytes < MIN_HEADER_BYTES || tcpHeaderBytes > inner.length) {
        return { reason: 'a wrong TCP header length' };
      }
      return { protocol: 'tcp', ...addresses, ...ports(), payload: inner.subarray(tcpHeaderBytes) };
    }
    default:
      return { reason: 'neither UDP nor TCP' };
  }
}

/** The Internet checksum (RFC 1071): the ones' complement of the ones' complement sum of 16-bit words. Over a header that
 *  contains its own right checksum it is 0.
 *
 *  It finds accidents. Anybody who changes a packet on purpose computes it again: it proves nothing about the sender. */
export function internetChecksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  // What overflows 16 bits is added at the other end.
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

export interface Captured {
  /** Since 1970-01-01. */
  readonly atMs: number;
  /** From the first byte of the IP header. */
  readonly bytes: Uint8Array;
}

/** The packets begin with their IP header: no Ethernet in front (LINKTYPE_RAW). */
const LINK_TYPE_RAW = 101;
const MAX_PACKET_BYTES = 65_535;

/** A capture file in the classic pcap format, little-endian: a file header of 24 bytes, then 16 bytes and the packet, for each. */
export function pcapFile(packets: readonly Captured[]): Uint8Array {
  const file = new Uint8Array(24 + packets.reduce((sum, { bytes }) => sum + 16 + bytes.length, 0));
  const view = new DataView(file.buffer);
  view.setUint32(0, 0xa1b2c3d4, true); // the magic number, which also tells the byte order
  view.setUint16(4, 2, true); // version 2.4
  view.setUint16(6, 4, true);
  view.setUint32(16, MAX_PACKET_BYTES, true);
  view.setUint32(20, LINK_TYPE_RAW, true);
  let at = 24;
  for (const { atMs, bytes } of packets) {
    view.setUint32(at, Math.floor(atMs / 1000), true);
    view.setUint32(at + 4, Math.floor((atMs % 1000) * 1000), true);
    view.setUint32(at + 8, bytes.length, true); // how much of it is in the file
    view.setUint32(at + 12, bytes.length, true); // how long it was
    file.set(bytes, at + 16);
    at += 16 + bytes.length;
  }
  return file;
}

function addressAt(bytes: Uint8Array, offset: number): string {
  return bytes.subarray(offset, offset + 4).join('.');
}
