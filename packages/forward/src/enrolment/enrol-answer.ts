/** What follows the status in the answer to a client that has enrolled (spec enrolment 3.2). */

export interface EnrolAnswer {
  /** The preshared key for the client's own key, 32 bytes. */
  readonly presharedKey: Uint8Array;
  /** What the relay calls the client. */
  readonly peerName: string;
  /** What the relay calls itself; empty if it has no name. */
  readonly relayName: string;
}

/** The names that a peer or a relay can have: nothing in them needs quoting, in a file name, a log or a shell. */
export const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** The longest answer: a key and two names. */
export const MAX_ENROL_ANSWER_BYTES = 32 + 2 * (1 + 64);

const KEY_BYTES = 32;

/** @throws RangeError when a name is not one */
export function encodeEnrolAnswer({ presharedKey, peerName, relayName }: EnrolAnswer): Uint8Array {
  if (!NAME_PATTERN.test(peerName) || !isRelayName(relayName)) throw new RangeError('not a name');
  const names = new TextEncoder().encode(
    `${String.fromCharCode(peerName.length)}${peerName}${String.fromCharCode(relayName.length)}${relayName}`,
  );
  const bytes = new Uint8Array(new ArrayBuffer(KEY_BYTES + names.length));
  bytes.set(presharedKey);
  bytes.set(names, KEY_BYTES);
  return bytes;
}

/** Total: any bytes give an answer, or undefined if it is incomplete or malformed. Ignores bytes after it.
 *  @param bytes  everything after the status */
export function decodeEnrolAnswer(bytes: Uint8Array): EnrolAnswer | undefined {
  if (bytes.length < KEY_BYTES) return undefined;
  const peerName = readName(bytes, KEY_BYTES);
  if (peerName === undefined || !NAME_PATTERN.test(peerName)) return undefined;
  const relayName = readName(bytes, KEY_BYTES + 1 + peerName.length);
  if (relayName === undefined || !isRelayName(relayName)) return undefined;
  const presharedKey = new Uint8Array(new ArrayBuffer(KEY_BYTES));
  presharedKey.set(bytes.subarray(0, KEY_BYTES));
  return { presharedKey, peerName, relayName };
}

function readName(bytes: Uint8Array, at: number): string | undefined {
  const length = bytes[at];
  if (length === undefined || bytes.length < at + 1 + length) return undefined;
  return String.fromCharCode(...bytes.subarray(at + 1, at + 1 + length));
}

function isRelayName(name: string): boolean {
  return name === '' || NAME_PATTERN.test(name);
}
