/** Bytes that behave like Node's Buffer where it differs from a plain Uint8Array: `slice` is a view, not a copy. In a
 *  real program datagrams and random bytes are Buffers. */
export class BufferLike extends Uint8Array {
  override slice(start?: number, end?: number): Uint8Array<ArrayBuffer> {
    return this.subarray(start, end) as Uint8Array<ArrayBuffer>;
  }
}
