/** STUB, replaced soon: the public face of a stream. */
export class Stream {
  readonly id: number = 0;
  /** True when the other side opened it. */
  readonly incoming: boolean = false;

  /** Takes as many bytes of `chunk` as the send buffer has room for and keeps a reference to them until they are
   *  acknowledged: the caller must not change them.
   *  @returns how many; when fewer than all, a `stream-writable` event follows once there is room */
  write(_chunk: Uint8Array): number {
    throw new Error('stub');
  }
  /** No more writes: FIN goes out after what was written. */
  finish(): void {}
  /** The next bytes in order, as a view that the caller may keep; reading gives the sender credit.
   *  `undefined`: nothing now; a `stream-readable` event follows */
  read(): Uint8Array | undefined {
    throw new Error('stub');
  }
  /** All bytes up to the FIN have been read. */
  get readFinished(): boolean {
    throw new Error('stub');
  }
  /** Ends our sending direction early: the peer's reader sees `stream-reset`. No effect once all was acknowledged. */
  reset(_code: number): void {}
  /** Says that we will not read on; the peer answers with a reset. What arrives is thrown away. */
  stopSending(_code: number): void {}
}
