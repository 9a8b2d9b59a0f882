/** Computes from outside what one side has delivered, how fast, and what it may have lost (spec recovery 5). */
import type { SentDatagram } from '../observer/observer.js';
import type { AckView, PacketView } from '../observer/packet-view.js';
import { Unacknowledged } from './unacknowledged.js';

/** A packet that was overtaken is remembered until it is older than this, and than this many round trips. The time
 *  threshold is at most two of them and 1 ms (spec recovery 3.3), but a process that sleeps makes one of them as long as
 *  its sleep. */
const MEMORY_MS = 10_000;
const MEMORY_RTTS = 3;

interface Sent {
  readonly at: number;
  /** 0 if it does not count as in flight. */
  readonly bytes: number;
  /** How much had been delivered when it was sent. */
  readonly delivered: number;
  readonly isProbe: boolean;
}

/** What has been acknowledged since the owner looked last. */
export interface News {
  bytes: number;
  /** A packet was acknowledged after a later one, so it may have been declared lost by mistake. */
  wasLate: boolean;
  /** The longest time between the sending of two packets that were acknowledged one after the other. */
  longestGapMs: number;
}

export function nothingNew(): News {
  return { bytes: 0, wasLate: false, longestGapMs: 0 };
}

/** Follows the packets of one side of one connection.
 *
 *  The rule of congestion passes it every packet that the side sends and every ACK that it accepts. The rate that an
 *  acknowledgement shows is an upper bound: what was delivered while a packet was under way, divided by the time that
 *  this took. No sample of the sender can be higher, because its interval is at least as long. */
export class DeliveryModel {
  delivered = 0;
  /** The fastest rate so far, in bytes per millisecond. */
  fastest = 0;
  news = nothingNew();
  readonly #sent = new Unacknowledged<Sent>();
  /** What the sender has declared lost and may yet see acknowledged, however late: a peer may have slept. All of it was
   *  sent before the rest. */
  readonly #forgotten = new Unacknowledged<Sent>();
  #largestAcked = -1;
  /** When the newest acknowledged packet was sent, or the first of all. */
  #newestSentAt: number | undefined;
  /** The first packet on the present path. */
  #pathFirst = 0;
  #next = 0;
  /** Whether an ACK has arrived since the last call of `forget`. */
  #hasAck = false;

  onSent({ at, bytes }: Pick<SentDatagram, 'at' | 'bytes'>, packet: PacketView, fullBytes: number): void {
    this.#next = packet.packetNumber + 1;
    this.#newestSentAt ??= at;
    const isProbe = packet.isOnlyPing && bytes > fullBytes;
    const counted = packet.isAckEliciting ? bytes : 0;
    this.#sent.add(packet.packetNumber, { at, bytes: counted, delivered: this.delivered, isProbe });
  }

  onAck(now: number, { ranges }: AckView): void {
    const { news } = this;
    const largest = ranges[0]?.[1] ?? -1;
    const before = this.#largestAcked;
    const newest: Sent[] = [];
    const onTaken = (n: number, sent: Sent): void => {
      news.bytes += sent.bytes;
      this.delivered += sent.bytes;
      news.wasLate ||= n < before;
      if (n >= this.#pathFirst) newest.push(sent);
    };
    this.#forgotten.takeRanges(ranges, onTaken);
    this.#sent.takeRanges(ranges, onTaken);
    for (const { at, delivered } of newest) {
      if (now > at) this.fastest = Math.max(this.fastest, (this.delivered - delivered) / (now - at));
    }
    const lastSentAt = this.#newestSentAt ?? now;
    const newestSentAt = Math.max(newest.at(-1)?.at ?? lastSentAt, lastSentAt);
    news.longestGapMs = Math.max(news.longestGapMs, newestSentAt - lastSentAt);
    this.#newestSentAt = newestSentAt;
    this.#largestAcked = Math.max(before, largest);
    this.#hasAck = true;
  }

  /** No longer counts as possibly lost what the sender must have declared lost when it handled the last ACK. Call it once it
   *  has been judged for them.
   *  @param rttMs the larger of the smoothed and the latest round trip */
  forget(now: number, rttMs: number): void {
    if (!this.#hasAck) return;
    this.#hasAck = false;
    const memoryMs = Math.max(MEMORY_MS, MEMORY_RTTS * rttMs);
    this.#sent.takeUpTo(
      this.#largestAcked,
      (_, { at }) => now - at > memoryMs,
      (n, sent) => this.#forgotten.add(n, sent),
    );
  }

  /** Call when later packets take another path (spec path 4). */
  onNewPath(): void {
    this.#pathFirst = this.#next;
    this.fastest = 0;
  }

  /** The packets that may be lost: those that are not acknowledged, although a later one is. Packets of an earlier path
   *  count for nothing. */
  mayBeLost(): { readonly lost: readonly Sent[]; readonly hasOfEarlierPath: boolean } {
    const lost: Sent[] = [];
    let hasOfEarlierPath = false;
    this.#sent.forEach((n, sent) => {
      if (n >= this.#largestAcked || sent.bytes === 0) return;
      if (n >= this.#pathFirst) lost.push(sent);
      else hasOfEarlierPath = true;
    });
    return { lost, hasOfEarlierPath };
  }
}
