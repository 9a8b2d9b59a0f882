/** Turns batches into system calls on one socket of the system. No other place knows how. */
import type { Socket } from 'node:dgram';
import { type Address, TransmitBatch } from '@underpass/protocol';
import type { NativeOptions } from './native-socket.js';
import type { SystemSocket } from './system-socket.js';
import { systemCode } from './underpass-error.js';

/** Every IPv4 path may be assumed to carry a datagram of this size whole (RFC 1122 §3.3.3 has hosts send 576 bytes). */
const ALWAYS_WHOLE_BYTES = 548;
/** What the system cuts in one call: at most this many datagrams (UDP_MAX_SEGMENTS of Linux before 6.9), and at most
 *  this many bytes (what UDP carries over IPv4 and IPv6, rounded down). */
export const MAX_SEGMENTS = 64;
export const MAX_SEGMENTED_BYTES = 65_000;
/** How the system refuses to cut: the device computes no checksums, the path is smaller, the system is too old. */
const REFUSALS: ReadonlySet<string> = new Set(['EIO', 'EINVAL', 'EMSGSIZE']);

/** A batch, and how far the system has taken it. */
export class PendingBatch extends TransmitBatch {
  /** The part of the buffer that is being sent. `from` moves with each answer of the system. */
  from = 0;
  until = 0;
  /** The size of each call; the last one may be smaller. */
  callBytes = 0;
  /** How many calls the system has not answered yet. */
  outstanding = 0;
  /** Whether the system is to cut it. */
  isCut = false;
  /** Why the system refused to cut it, and which part. That part is then sent in single datagrams. */
  refusal: string | undefined;
  refusedFrom = 0;
  refusedUntil = 0;
  /** The system refused a datagram that it did not have to cut. */
  wasRefused = false;
  queue: SendQueue | undefined;
  /** One callback for all calls of the batch: a closure for each would be the data path's largest source of garbage. */
  readonly onSent = (error: Error | null): void => this.queue?.onSent(this, error);
}

/** What the queue needs of a SystemSocket. */
export type Outlet = Pick<SystemSocket, 'isClosed' | 'prepare' | 'textOf'> & {
  readonly socket: Pick<Socket, 'send'>;
  readonly options: Pick<NativeOptions, 'canSegment'> | undefined;
};

export interface SendQueueEvents {
  /** The queue no longer uses the batch. */
  onDone(batch: PendingBatch): void;
  /** The system refused a datagram of this size, or several in one call. */
  onRefused(to: Address, error: Error, bytes: number): void;
  /** The system cannot cut datagrams after all, so that each takes a call from now on. @param code its error */
  onSegmentationLost(code: string): void;
}

/** Sends the batches for one socket, in order.
 *
 *  Where the system can cut (UDP_SEGMENT), one call takes up to 64 datagrams of the same size. Otherwise it takes one.
 *  That size is an option of the socket and not of the call, and so is whether fragments are allowed. So while the
 *  system has not taken what was sent under other options, batches wait here.
 *
 *  If the system refuses to cut, the same datagrams are sent again one by one, so that none is lost. If all of them get
 *  through, their size was not the cause, and nothing is cut from then on.
 *
 *  UdpSocket owns the batches, and has a queue for each socket of the system. */
export class SendQueue {
  readonly #via: Outlet;
  readonly #events: SendQueueEvents;
  readonly #waiting: PendingBatch[] = [];
  #segments: boolean;

  constructor(via: Outlet, events: SendQueueEvents) {
    this.#via = via;
    this.#events = events;
    this.#segments = via.options?.canSegment === true;
  }

  /** Whether the system cuts what is sent into datagrams. */
  get segments(): boolean {
    return this.#segments;
  }

  /** Takes a batch with a destination. */
  send(batch: PendingBatch): void {
    batch.queue = this;
    batch.from = 0;
    batch.until = batch.lengthBytes;
    batch.isCut =
      this.#segments && Math.min(batch.lengthBytes, cutAtOnce(batch.segmentBytes)) > batch.segmentBytes;
    batch.refusal = undefined;
    batch.wasRefused = false;
    this.#waiting.push(batch);
    this.#flush();
  }

  /** The system has answered the next call of the batch. It answers them in order. */
  onSent(batch: PendingBatch, error: Error | null): void {
    const { from } = batch;
    batch.from = Math.min(from + batch.callBytes, batch.until);
    batch.outstanding--;
    if (error !== null) this.#onError(batch, error, from);
    if (batch.outstanding > 0) return;
    if (batch.isCut && batch.refusal !== undefined) this.#sendSingly(batch);
    else this.#end(batch);
    this.#flush();
  }

  /** Passes on what can be sent under the present options, or under others if nothing is in between. */
  #flush(): void {
    for (let batch = this.#waiting[0]; batch !== undefined; batch = this.#waiting[0]) {
      if (this.#via.isClosed) {
        this.#waiting.shift();
        this.#events.onDone(batch);
        continue;
      }
      // Small datagrams are never fragmented, so switching would be wasted on them.
      const isLarge = batch.segmentBytes > ALWAYS_WHOLE_BYTES;
      const mayFragment = isLarge ? batch.mayFragment : undefined;
      if (!this.#via.prepare(mayFragment, batch.isCut ? batch.segmentBytes : 0)) return;
      this.#waiting.shift();
      this.#pass(batch);
    }
  }

  #pass(batch: PendingBatch): void {
    const { buffer, segmentBytes, from, until, isCut, onSent } = batch;
    const { socket } = this.#via;
    const to = batch.to as Address;
    const address = this.#via.textOf(to);
    const callBytes = isCut ? cutAtOnce(segmentBytes) : segmentBytes;
    batch.callBytes = callBytes;
    // Set before the first call, so that the batch does not end half way through.
    batch.outstanding = Math.ceil((until - from) / callBytes);
    for (let at = from; at < until; at += callBytes) {
      socket.send(buffer, at, Math.min(callBytes, until - at), to.port, address, onSent);
    }
  }

  #onError(batch: PendingBatch, error: Error, from: number): void {
    const code = systemCode(error);
    if (batch.isCut && REFUSALS.has(code)) {
      if (batch.refusal === undefined) batch.refusedFrom = from;
      batch.refusedUntil = batch.from;
      batch.refusal = code;
      return;
    }
    batch.wasRefused = true;
    this.#events.onRefused(batch.to as Address, error, Math.min(batch.from - from, batch.segmentBytes));
  }

  /** Sends what the system refused to cut, before anything that was sent later. */
  #sendSingly(batch: PendingBatch): void {
    batch.isCut = false;
    batch.from = batch.refusedFrom;
    batch.until = batch.refusedUntil;
    this.#waiting.unshift(batch);
  }

  #end(batch: PendingBatch): void {
    const { refusal } = batch;
    // A batch that may be fragmented gets through in any case, unless the cause is that the device computes no checksums.
    const isConclusive = refusal !== undefined && (refusal === 'EIO' || !batch.mayFragment);
    if (isConclusive && !batch.wasRefused && this.#segments) {
      this.#segments = false;
      this.#events.onSegmentationLost(refusal);
    }
    this.#events.onDone(batch);
  }
}

/** How many bytes the system cuts in one call: 0 if not even one datagram. */
function cutAtOnce(segmentBytes: number): number {
  return Math.min(MAX_SEGMENTS, Math.floor(MAX_SEGMENTED_BYTES / segmentBytes)) * segmentBytes;
}
