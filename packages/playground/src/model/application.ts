import type { Peer, Stream } from '@underpass/protocol';
import type { EventQueue } from '@underpass/testkit/simulation';
import { READS_AT_ONCE } from './actions.js';
import { MAX_TRANSFER_BYTES } from './limits.js';

/** A transfer as the application sees it. */
export interface Transfer {
  readonly stream: Stream;
  /** Whether this application asked for it. */
  readonly isOwn: boolean;
  request: string;
  /** How many bytes of content it has to send, and how many of them it has written. */
  toSend: number;
  written: number;
  /** How many bytes of content it has read. */
  read: number;
  /** It has written its last byte. */
  isFinished: boolean;
  end: 'open' | 'closed' | 'reset';
}

const LINE = 'Each line of this text crosses the tunnel sealed, and is opened at the other end.\n';
/** Text that can be read in an opened datagram. Streams keep views of it. */
const CONTENT = new TextEncoder().encode(LINE.repeat(800));
const TICK_MS = 20;
const NEWLINE = 10;

/** The application of one process: it uploads and downloads, over one stream each.
 *
 *  A stream begins with a line: `PUT 1000` announces so many bytes, and the other side answers `OK 1000` when it has
 *  read them; `GET 1000` asks for so many. The speed at which it reads is a setting, so that flow control can be seen.
 *  The process owns the application, passes the events of streams in, and is woken after each command. */
export class Application {
  readonly transfers: Transfer[] = [];
  readonly #queue: EventQueue;
  readonly #wake: () => void;
  #kilobytesPerSecond = READS_AT_ONCE;
  /** How many bytes may be read in the current tick. */
  #budget = 0;
  #isTicking = false;
  #isStopped = false;

  constructor(queue: EventQueue, wake: () => void) {
    this.#queue = queue;
    this.#wake = wake;
  }

  /** The process has ended. */
  stop(): void {
    this.#isStopped = true;
  }

  get kilobytesPerSecond(): number {
    return this.#kilobytesPerSecond;
  }
  setReader(kilobytesPerSecond: number): void {
    this.#kilobytesPerSecond = kilobytesPerSecond;
    this.#readAll();
  }

  /** @returns false if the peer permits no more streams */
  request(peer: Peer, kind: 'PUT' | 'GET', bytes: number): boolean {
    const stream = peer.openStream();
    if (stream === undefined) return false;
    const transfer = this.#add(stream, true, kind === 'PUT' ? bytes : 0);
    transfer.request = `${kind} ${bytes}`;
    stream.write(new TextEncoder().encode(`${transfer.request}\n`));
    this.#pour(transfer);
    return true;
  }

  onEvent(type: string, stream: Stream): void {
    if (type === 'stream-opened') this.#add(stream, false, 0);
    const transfer = this.transfers.find((known) => known.stream === stream);
    if (transfer === undefined) return;
    if (type === 'stream-writable') this.#pour(transfer);
    if (type === 'stream-opened' || type === 'stream-readable') this.#read(transfer);
    if (type === 'stream-reset' || type === 'stream-stopped') transfer.end = 'reset';
    if (type === 'stream-closed' && transfer.end === 'open') transfer.end = 'closed';
  }

  #add(stream: Stream, isOwn: boolean, toSend: number): Transfer {
    const transfer: Transfer = {
      stream,
      isOwn,
      request: '',
      toSend,
      written: 0,
      read: 0,
      isFinished: false,
      end: 'open',
    };
    this.transfers.push(transfer);
    return transfer;
  }

  /** Writes as much as there is room for, and FIN at the end. */
  #pour(transfer: Transfer): void {
    const { stream, toSend } = transfer;
    if (transfer.end !== 'open') return;
    while (transfer.written < toSend) {
      const at = transfer.written % LINE.length;
      const piece = CONTENT.subarray(at, at + Math.min(toSend - transfer.written, CONTENT.length - at));
      const taken = stream.write(piece);
      transfer.written += taken;
      if (taken < piece.length) return;
    }
    if (transfer.isOwn || transfer.request.startsWith('GET')) this.#finish(transfer);
  }

  #finish(transfer: Transfer): void {
    if (transfer.isFinished) return;
    transfer.isFinished = true;
    transfer.stream.finish();
  }

  #readAll(): void {
    for (const transfer of this.transfers) if (transfer.end === 'open') this.#read(transfer);
  }

  #read(transfer: Transfer): void {
    const isSlow = this.#kilobytesPerSecond < READS_AT_ONCE;
    while (!isSlow || this.#budget > 0) {
      const bytes = transfer.stream.read();
      if (bytes === undefined) break;
      if (isSlow) this.#budget -= bytes.length;
      this.#take(transfer, bytes);
    }
    if (isSlow) this.#tick();
    if (transfer.stream.readFinished && !transfer.isOwn) this.#answer(transfer);
  }

  /** Gives a slow reader its next bytes after a while. */
  #tick(): void {
    if (this.#isTicking || this.#kilobytesPerSecond === 0) return;
    this.#isTicking = true;
    this.#queue.schedule(this.#queue.now + TICK_MS, () => {
      this.#isTicking = false;
      if (this.#isStopped) return;
      // One kilobyte in a second is one byte in a millisecond. What a large piece took too much, it owes.
      this.#budget = Math.min(this.#budget, 0) + this.#kilobytesPerSecond * TICK_MS;
      this.#readAll();
      this.#wake();
    });
  }

  #take(transfer: Transfer, bytes: Uint8Array): void {
    let content = bytes;
    if (!transfer.isOwn && transfer.request === '') {
      const end = bytes.indexOf(NEWLINE);
      transfer.request = new TextDecoder().decode(bytes.subarray(0, end < 0 ? bytes.length : end));
      content = bytes.subarray(transfer.request.length + 1);
      const [kind, count] = transfer.request.split(' ');
      if (kind === 'GET') {
        transfer.toSend = Math.min(Number(count) || 0, MAX_TRANSFER_BYTES);
        this.#pour(transfer);
      }
    }
    transfer.read += content.length;
  }

  /** Everything was read: answers an upload. */
  #answer(transfer: Transfer): void {
    if (!transfer.request.startsWith('PUT') || transfer.isFinished) return;
    transfer.stream.write(new TextEncoder().encode(`OK ${transfer.read}\n`));
    this.#finish(transfer);
  }
}
