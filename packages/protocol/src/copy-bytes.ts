/** A copy of these bytes and no others.
 *
 *  `bytes.slice()` is none when `bytes` is a Node Buffer, as datagrams and random bytes are: there it is a view, and wiping
 *  or opening "the copy" would change the original. Nothing in the protocol calls `slice` on bytes. */
export function copyBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
