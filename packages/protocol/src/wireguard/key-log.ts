/** The secrets of a handshake as Wireshark reads them (spec session 9). */
import { base64, isAllZero } from '../crypto/bytes.js';

export interface LoggedPeer {
  readonly publicKey: Uint8Array;
  /** All zero: there is none. */
  readonly presharedKey: Uint8Array;
}

export function keyLogLines(
  localPrivate: Uint8Array,
  remote: LoggedPeer,
  ephemeralPrivate: Uint8Array,
): string[] {
  const lines = [
    `LOCAL_STATIC_PRIVATE_KEY = ${base64(localPrivate)}`,
    `REMOTE_STATIC_PUBLIC_KEY = ${base64(remote.publicKey)}`,
    `LOCAL_EPHEMERAL_PRIVATE_KEY = ${base64(ephemeralPrivate)}`,
  ];
  if (!isAllZero(remote.presharedKey)) lines.push(`PRESHARED_KEY = ${base64(remote.presharedKey)}`);
  return lines;
}
