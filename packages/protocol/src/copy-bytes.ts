/** Copies `bytes` into an array of its own.
 *
 *  The protocol never uses `bytes.slice()` for this. Datagrams and random bytes are Node Buffers, and the `slice` of a
 *  Buffer returns a view: to wipe or open such a "copy" would change the original. */
export function copyBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
