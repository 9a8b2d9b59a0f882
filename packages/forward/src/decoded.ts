/** What a parser of bytes returns. */
export type Decoded<T> =
  | { readonly ok: true; readonly value: T; readonly bytesRead: number }
  /** Call again with more bytes. */
  | { readonly ok: false; readonly reason: 'incomplete' }
  | { readonly ok: false; readonly reason: 'malformed' };
