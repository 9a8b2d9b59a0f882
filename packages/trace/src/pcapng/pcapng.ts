/** Captures in the pcapng format, which Wireshark reads (draft-ietf-opsawg-pcapng). */
import { type Address, asciiBytes } from '@underpass/protocol';
import { udpOverIp } from './ip-packet.js';

/** The least significant byte comes first, in everything that we write. The reader sees that from the magic. */
const LITTLE_ENDIAN = true;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;

const BlockType = {
  sectionHeader: 0x0a0d0d0a,
  interfaceDescription: 1,
  enhancedPacket: 6,
  decryptionSecrets: 10,
} as const;

/** Packets start with an IP header. */
const LINKTYPE_RAW = 101;
/** "WGKL": the secrets are lines of a WireGuard key log. */
export const SECRETS_WIREGUARD = 0x57474b4c;

const OptionCode = {
  end: 0,
  comment: 1,
  /** Of the section header. */
  application: 4,
  /** Of an interface. */
  name: 2,
  resolution: 9,
  /** Of a packet. */
  flags: 2,
} as const;
/** Times are in microseconds: 10^-6 s. */
const RESOLUTION_EXPONENT = 6;
const TWO_32 = 2 ** 32;

const DIRECTION_FLAGS = { received: 1, sent: 2 } as const;

export interface CapturedDatagram {
  /** Unix milliseconds, with a fraction. */
  readonly atUnixMs: number;
  readonly from: Address;
  readonly to: Address;
  /** The UDP payload. */
  readonly bytes: Uint8Array;
  /** Seen from where the capture was made. */
  readonly direction?: 'received' | 'sent';
  /** Printable ASCII, which Wireshark shows with the packet. */
  readonly comment?: string;
}

/** Returns the start of a capture: one section with one interface.
 *  @param application  what wrote it, for example `underpass 0.1.0`
 *  @param interfaceName  where it was made, for example `client` */
export function captureStart(application: string, interfaceName: string): Uint8Array {
  const section = new Uint8Array(16);
  const view = new DataView(section.buffer);
  view.setUint32(0, BYTE_ORDER_MAGIC, LITTLE_ENDIAN);
  view.setUint16(4, 1, LITTLE_ENDIAN); // version 1.0
  section.fill(0xff, 8); // length of the section: unknown
  const description = new Uint8Array(8);
  new DataView(description.buffer).setUint16(0, LINKTYPE_RAW, LITTLE_ENDIAN); // and no limit on the length of packets
  return joined(
    block(BlockType.sectionHeader, [section, ...options([[OptionCode.application, ascii(application)]])]),
    block(BlockType.interfaceDescription, [
      description,
      ...options([
        [OptionCode.name, ascii(interfaceName)],
        [OptionCode.resolution, Uint8Array.of(RESOLUTION_EXPONENT)],
      ]),
    ]),
  );
}

/** Returns lines of a WireGuard key log as a block, which has to stand before the packets that the secrets open.
 *  @param lines  without line ends */
export function captureSecrets(lines: readonly string[]): Uint8Array {
  const secrets = asciiBytes(lines.map((line) => `${line}\n`).join(''));
  const header = new Uint8Array(8);
  const view = new DataView(header.buffer);
  view.setUint32(0, SECRETS_WIREGUARD, LITTLE_ENDIAN);
  view.setUint32(4, secrets.length, LITTLE_ENDIAN);
  return block(BlockType.decryptionSecrets, [header, padded(secrets)]);
}

/** Returns one datagram as a block, with headers of IP and UDP around it. */
export function captureDatagram(datagram: CapturedDatagram): Uint8Array {
  const { atUnixMs, from, to, direction, comment } = datagram;
  const packet = udpOverIp(from, to, datagram.bytes);
  const header = new Uint8Array(20);
  const view = new DataView(header.buffer);
  const microseconds = Math.round(atUnixMs * 1000);
  view.setUint32(4, Math.floor(microseconds / TWO_32), LITTLE_ENDIAN);
  view.setUint32(8, microseconds % TWO_32, LITTLE_ENDIAN);
  view.setUint32(12, packet.length, LITTLE_ENDIAN); // captured
  view.setUint32(16, packet.length, LITTLE_ENDIAN); // on the wire
  const values: [number, Uint8Array][] = [];
  if (direction !== undefined) {
    values.push([OptionCode.flags, Uint8Array.of(DIRECTION_FLAGS[direction], 0, 0, 0)]);
  }
  if (comment !== undefined) values.push([OptionCode.comment, ascii(comment)]);
  return block(BlockType.enhancedPacket, [header, padded(packet), ...options(values)]);
}

/** Puts the type and length in front, and the length behind. */
function block(type: number, body: readonly Uint8Array[]): Uint8Array {
  const bytes = joined(new Uint8Array(8), ...body, new Uint8Array(4));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, LITTLE_ENDIAN);
  view.setUint32(4, bytes.length, LITTLE_ENDIAN);
  view.setUint32(bytes.length - 4, bytes.length, LITTLE_ENDIAN);
  return bytes;
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function options(values: readonly (readonly [code: number, value: Uint8Array])[]): Uint8Array[] {
  if (values.length === 0) return [];
  return [...values, [OptionCode.end, new Uint8Array(0)] as const].flatMap(([code, value]) => {
    const header = new Uint8Array(4);
    const view = new DataView(header.buffer);
    view.setUint16(0, code, LITTLE_ENDIAN);
    view.setUint16(2, value.length, LITTLE_ENDIAN);
    return [header, padded(value)];
  });
}

/** Anything but printable ASCII becomes `?`. */
function ascii(text: string): Uint8Array {
  return asciiBytes(text.replaceAll(/[^ -~]/g, '?'));
}

/** Everything starts at a multiple of 4 bytes. */
function padded(bytes: Uint8Array): Uint8Array {
  const result = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  result.set(bytes);
  return result;
}
