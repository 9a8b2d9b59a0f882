/** A stream whose other end, the relay, is the test. */
import type { Stream } from '@underpass/protocol';
import type { StreamHandler } from '@underpass/runtime';

export class FakeStream implements Stream {
  readonly id: number;
  readonly incoming: boolean;
  readonly bufferedBytes = 0;
  readonly maxDatagramBytes = 0;
  readonly peerKnowsDatagrams = false;
  readonly #written: Uint8Array[] = [];
  readonly #arrived: Uint8Array[] = [];
  #finArrived = false;
  handler: StreamHandler = {};
  finished = false;
  resetCode: number | undefined;
  stopCode: number | undefined;

  constructor(id: number, incoming = false) {
    this.id = id;
    this.incoming = incoming;
  }

  // ---- what the code under test does ------------------------------------------------------------------------

  write(chunk: Uint8Array): number {
    this.#written.push(chunk);
    return chunk.length;
  }
  finish(): void {
    this.finished = true;
  }
  read(): Uint8Array | undefined {
    return this.#arrived.shift();
  }
  readInto(target: Uint8Array): number {
    let length = 0;
    for (let chunk = this.#arrived.shift(); chunk !== undefined; chunk = this.#arrived.shift()) {
      const fits = chunk.subarray(0, target.length - length);
      target.set(fits, length);
      length += fits.length;
      if (fits.length === chunk.length) continue;
      this.#arrived.unshift(chunk.subarray(fits.length));
      break;
    }
    return length;
  }
  get readFinished(): boolean {
    return this.#finArrived && this.#arrived.length === 0;
  }
  reset(code: number): void {
    this.resetCode ??= code;
  }
  stopSending(code: number): void {
    this.stopCode ??= code;
  }

  sendDatagram(): 'too-large' {
    return 'too-large';
  }
  readDatagram(): undefined {
    return undefined;
  }

  // ---- what the test does -----------------------------------------------------------------------------------

  get written(): Buffer {
    return Buffer.concat(this.#written);
  }
  arrive(...chunks: readonly Uint8Array[]): void {
    this.#arrived.push(...chunks);
    this.handler.onReadable?.();
  }
  arriveFin(): void {
    this.#finArrived = true;
    this.handler.onReadable?.();
  }
}
