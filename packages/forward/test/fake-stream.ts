/** A stream whose other end is the test. */
import type { DatagramOutcome, Stream } from '@underpass/protocol';

export class FakeStream implements Stream {
  readonly id: number;
  readonly incoming = true;
  /** How many more bytes `write` accepts. */
  room = Number.POSITIVE_INFINITY;
  finished = false;
  resetCode: number | undefined;
  stopCode: number | undefined;
  bytesRead = 0;
  maxDatagramBytes = 1040;
  peerKnowsDatagrams = false;
  readonly sentDatagrams: Uint8Array[] = [];
  readonly arrivedDatagrams: Uint8Array[] = [];
  readonly #written: Uint8Array[] = [];
  readonly #arrived: Uint8Array[] = [];
  #finArrived = false;
  #watchers: (() => void)[] = [];

  constructor(id = 0) {
    this.id = id;
  }

  // ---- what the code under test does ------------------------------------------------------------------------

  write(chunk: Uint8Array): number {
    const taken = Math.min(chunk.length, this.room);
    this.room -= taken;
    if (taken > 0) this.#written.push(chunk.subarray(0, taken));
    this.#changed();
    return taken;
  }
  finish(): void {
    this.finished = true;
    this.#changed();
  }
  read(): Uint8Array | undefined {
    const chunk = this.#arrived.shift();
    this.bytesRead += chunk?.length ?? 0;
    this.#changed();
    return chunk;
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
    this.bytesRead += length;
    this.#changed();
    return length;
  }
  get readFinished(): boolean {
    return this.#finArrived && this.#arrived.length === 0;
  }
  reset(code: number): void {
    this.resetCode ??= code;
    this.#changed();
  }
  stopSending(code: number): void {
    this.stopCode ??= code;
    this.#changed();
  }
  get bufferedBytes(): number {
    return this.written.length;
  }

  sendDatagram(_now: number, message: Uint8Array): DatagramOutcome {
    if (message.length > this.maxDatagramBytes) return 'too-large';
    this.sentDatagrams.push(message);
    this.#changed();
    return 'queued';
  }
  readDatagram(): Uint8Array | undefined {
    return this.arrivedDatagrams.shift();
  }

  // ---- what the test does -----------------------------------------------------------------------------------

  get written(): Buffer {
    return Buffer.concat(this.#written);
  }
  arrive(chunk: Uint8Array | string): void {
    this.#arrived.push(Buffer.from(chunk));
  }
  arriveFin(): void {
    this.#finArrived = true;
  }
  /** Resolves as soon as a command makes `isMet` true. */
  async until(isMet: (stream: this) => boolean): Promise<void> {
    while (!isMet(this)) await new Promise<void>((resolve) => this.#watchers.push(resolve));
  }

  #changed(): void {
    for (const watcher of this.#watchers.splice(0)) watcher();
  }
}
