/** Writes the secrets of a handshake in the format of Wireshark's key log (spec session 9). */
import { base64, isAllZero } from '../crypto/bytes.js';

export interface LoggedPeer {
  readonly publicKey: Uint8Array;
  /** All zero if there is none. */
  readonly presharedKey: Uint8Array;
}

/** Returns the line that a key log starts with. A responder's own lines come after the initiation, which only the static
 *  key opens. */
export function staticKeyLine(localPrivate: Uint8Array): string {
  return `LOCAL_STATIC_PRIVATE_KEY = ${base64(localPrivate)}`;
}

/** Returns the lines for one handshake, without line ends. They contain the static private key.
 *  @param ephemeralPrivate our own ephemeral key of this handshake */
export function keyLogLines(
  localPrivate: Uint8Array,
  remote: LoggedPeer,
  ephemeralPrivate: Uint8Array,
): string[] {
  const lines = [
    staticKeyLine(localPrivate),
    `REMOTE_STATIC_PUBLIC_KEY = ${base64(remote.publicKey)}`,
    `LOCAL_EPHEMERAL_PRIVATE_KEY = ${base64(ephemeralPrivate)}`,
  ];
  if (!isAllZero(remote.presharedKey)) lines.push(`PRESHARED_KEY = ${base64(remote.presharedKey)}`);
  return lines;
}
