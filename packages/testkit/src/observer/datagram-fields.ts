/** What the observer reads from datagrams as they are on the wire. */

/** A handshake message without its macs. */
export function handshakeIdentity(datagram: Uint8Array): string {
  return String.fromCharCode(
    ...datagram.subarray(0, Math.min(datagram.length, datagram.length > 100 ? 116 : 60)),
  );
}

/** Reads 32 bits, the least significant byte first. */
export function readIndex(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  );
}
