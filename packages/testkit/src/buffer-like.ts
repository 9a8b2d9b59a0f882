/** Bytes that behave as Node's Buffer does where it differs from a plain Uint8Array: its `slice` is a view, not a copy.
 *  Datagrams and random bytes come as Buffers in a real program. */
export class BufferLike extends Uint8Array {
  override slice(start?: number, end?: number): Uint8Array<ArrayBuffer> {
    return this.subarray(start, end) as Uint8Array<ArrayBuffer>;
  }
}
