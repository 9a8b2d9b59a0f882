/** The parts of ICMP echo over IPv4 (RFC 791, RFC 792) that the tests need. */

const IP_BYTES = 20;
const ICMP_BYTES = 8;
const ICMP = 1;
const ECHO_REQUEST = 8;
const ECHO_REPLY = 0;

export interface Echo {
  readonly kind: 'request' | 'reply';
  readonly from: string;
  readonly to: string;
  readonly identifier: number;
  readonly sequence: number;
  readonly data: Uint8Array;
}

export function encodeEcho(echo: Echo): Uint8Array {
  const total = IP_BYTES + ICMP_BYTES + echo.data.length;
  const bytes = new Uint8Array(total);
  const view = new DataView(bytes.buffer);
  bytes[0] = 0x45;
  view.setUint16(2, total);
  bytes[8] = 64; // time to live
  bytes[9] = ICMP;
  bytes.set(echo.from.split('.').map(Number), 12);
  bytes.set(echo.to.split('.').map(Number), 16);
  view.setUint16(10, checksum(bytes.subarray(0, IP_BYTES)));
  bytes[IP_BYTES] = echo.kind === 'request' ? ECHO_REQUEST : ECHO_REPLY;
  view.setUint16(IP_BYTES + 4, echo.identifier);
  view.setUint16(IP_BYTES + 6, echo.sequence);
  bytes.set(echo.data, IP_BYTES + ICMP_BYTES);
  view.setUint16(IP_BYTES + 2, checksum(bytes.subarray(IP_BYTES)));
  return bytes;
}

/** @param bytes  an IP packet, perhaps with padding after it
 *  @returns undefined for anything but a complete, correct echo */
export function decodeEcho(bytes: Uint8Array): Echo | undefined {
  if (bytes.length < IP_BYTES + ICMP_BYTES || bytes[0] !== 0x45 || bytes[9] !== ICMP) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const total = view.getUint16(2);
  if (total > bytes.length || checksum(bytes.subarray(0, IP_BYTES)) !== 0) return undefined;
  if (checksum(bytes.subarray(IP_BYTES, total)) !== 0) return undefined;
  const type = bytes[IP_BYTES];
  if (type !== ECHO_REQUEST && type !== ECHO_REPLY) return undefined;
  return {
    kind: type === ECHO_REQUEST ? 'request' : 'reply',
    from: bytes.subarray(12, 16).join('.'),
    to: bytes.subarray(16, 20).join('.'),
    identifier: view.getUint16(IP_BYTES + 4),
    sequence: view.getUint16(IP_BYTES + 6),
    data: new Uint8Array(bytes.subarray(IP_BYTES + ICMP_BYTES, total)),
  };
}

/** The checksum of RFC 1071, which is 0 over bytes that include their own checksum. */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] as number) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
