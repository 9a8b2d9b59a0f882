/** Computes from outside what one side has in flight and how long a round trip takes (spec recovery 2 to 4). */
import type { SentDatagram } from '../observer/observer.js';
import type { AckRange, AckView, PacketView } from '../observer/packet-view.js';
import { Unacknowledged } from './unacknowledged.js';

const PACKET_THRESHOLD = 3;
/** A little less than 9/8, because it cannot be seen from outside when persistent congestion made the sender forget its
 *  shortest round trip. */
const TIME_THRESHOLD = 1.1;
const MAX_ACK_DELAY_MS = 25;
const GRANULARITY_MS = 1;
const ROUNDING_MS = 0.01;
const PROBE_SHARE = 0.95;
/** spec recovery 2 */
const SLEEP_SAMPLE_MS = 1_000;
const SLEEP_SAMPLE_PTOS = 8;
/** spec recovery 3.3 */
const LOST_MEMORY_PTOS = 3;

interface Flying {
  readonly at: number;
  readonly isAckEliciting: boolean;
}

interface Lost extends Flying {
  readonly packetNumber: number;
}

/** Follows the packets of one side of one connection.
 *
 *  `FlightModels` passes it every packet that the side sends and every ACK that it accepts. A new epoch of the sender
 *  resets it. A packet counts as lost as soon as the sender may declare it lost, so `flying` holds only packets for which the
 *  sender must still wait. It only estimates: where the sender's state cannot be known from outside, it errs on the
 *  side of the sender. */
export class FlightModel {
  smoothedMs = 0;
  varianceMs = 0;
  latestMs = 0;
  minMs = Number.POSITIVE_INFINITY;
  hasSample = false;
  /** When the packet of the newest sample was sent. */
  sampleSentAt = Number.NEGATIVE_INFINITY;
  largestAcked = -1;
  /** When a packet was last newly acknowledged. */
  ackedAt = Number.NEGATIVE_INFINITY;
  /** When an ack-eliciting packet that was not taken for lost was last acknowledged. */
  elicitingAckedAt = Number.NEGATIVE_INFINITY;
  /** What the last ACK acknowledged and the sender certainly still remembered (spec recovery 3.3). */
  newlyAcknowledged: number[] = [];
  /** When an ack-eliciting packet was last sent, and how many were since `ackedAt`. */
  sentAt = Number.NEGATIVE_INFINITY;
  sentSinceAck = 0;
  /** When a probe timeout was last possible. */
  probedAt = Number.NEGATIVE_INFINITY;
  /** The earliest time from which the probe timer may run. */
  probeFrom = Number.NEGATIVE_INFINITY;
  #hasLostSinceAck = false;
  /** Packets that were sent before this give no sample, because a side slept, and the next one counts. */
  #sleptUntil = Number.NEGATIVE_INFINITY;
  #trustsNext = false;
  #next = 0;
  /** The first packet on the present path. */
  #pathFirst = 0;
  readonly flying = new Unacknowledged<Flying>();
  /** How many of them are ack-eliciting, and the number of the last such packet that was sent. */
  #elicitingFlying = 0;
  #lastEliciting = -1;
  /** In ascending order of their numbers. */
  #lost: Lost[] = [];
  #epoch = '';

  /** A single probe timeout (spec recovery 4). */
  get probeTimeoutMs(): number {
    return this.smoothedMs + Math.max(4 * this.varianceMs, GRANULARITY_MS) + MAX_ACK_DELAY_MS;
  }
  get rttMs(): number {
    return Math.max(this.smoothedMs, this.latestMs);
  }
  /** Whether ack-eliciting packets are in flight above everything acknowledged. Only the probe timer covers those. */
  get hasTail(): boolean {
    return this.#lastEliciting > this.largestAcked;
  }

  /** Whether this packet, which is about to be sent, starts another connection. */
  isAnother({ hello }: PacketView): boolean {
    return hello !== undefined && hello.epoch !== this.#epoch;
  }

  onSent({ at }: Pick<SentDatagram, 'at'>, packet: PacketView): void {
    if (this.isAnother(packet)) this.#begin(packet.hello?.epoch ?? '');
    if (packet.isAckEliciting) {
      // After a loss it cannot be known from outside whether the timer stopped.
      if (!this.#isWaiting && !this.#hasLostSinceAck) this.probeFrom = at;
      this.sentAt = at;
      this.sentSinceAck++;
      this.#elicitingFlying++;
      this.#lastEliciting = packet.packetNumber;
    }
    this.flying.add(packet.packetNumber, { at, isAckEliciting: packet.isAckEliciting });
    this.#next = packet.packetNumber + 1;
  }

  onAck(at: number, ack: AckView): void {
    this.judge(at);
    const largest = ack.ranges[0]?.[1] ?? -1;
    let newest = this.flying.get(largest);
    let isElicited = false;
    let isNews = false;
    this.newlyAcknowledged = [];
    // On a path without a sample, the sender may have guessed any round trip: what was overtaken may be forgotten.
    const rememberedFrom = this.hasSample ? 0 : this.largestAcked;
    this.flying.takeRanges(ack.ranges, (n, flying) => {
      isNews = true;
      if (n >= rememberedFrom) this.newlyAcknowledged.push(n);
      isElicited ||= flying.isAckEliciting;
      if (!flying.isAckEliciting) return;
      this.#elicitingFlying--;
      this.elicitingAckedAt = at;
    });
    const late = this.#takeLost(ack.ranges);
    // While the sender remembers a lost packet, its acknowledgement gives a sample like any other. It may have forgotten
    // one of this age at any time.
    const lostBefore = at - LOST_MEMORY_PTOS * this.probeTimeoutMs;
    for (const lost of late) {
      if (this.hasSample && lost.at >= lostBefore) this.newlyAcknowledged.push(lost.packetNumber);
      isElicited ||= lost.isAckEliciting;
      if (lost.packetNumber === largest) newest = lost;
    }
    this.largestAcked = Math.max(this.largestAcked, largest);
    if (newest !== undefined && isElicited && largest >= this.#pathFirst) {
      this.#sample(at, newest.at, ack.delayMs);
    }
    if (isNews || late.length > 0) {
      this.ackedAt = at;
      this.sentSinceAck = 0;
    }
    // The sender may have forgotten a lost packet. Its acknowledgement is then not new, and does not move the timer.
    if (isNews) {
      this.probeFrom = this.sentAt;
      this.#hasLostSinceAck = false;
    }
    if (isNews || late.length > 0) this.#forgetLost(at);
    this.judge(at);
  }

  /** Call when later packets take another path (spec path 4). */
  onNewPath(): void {
    this.#pathFirst = this.#next;
    this.hasSample = false;
    this.minMs = Number.POSITIVE_INFINITY;
    this.#sleptUntil = Number.NEGATIVE_INFINITY;
    this.#trustsNext = false;
  }

  /** Records which packets may be declared lost by now, and whether the probe timer may have expired. */
  judge(now: number): void {
    const { largestAcked } = this;
    if (this.flying.smallest < largestAcked) {
      const mostMs = TIME_THRESHOLD * this.rttMs - ROUNDING_MS;
      this.flying.takeUpTo(
        largestAcked - 1,
        (n, { at }) => n <= largestAcked - PACKET_THRESHOLD || now - at >= mostMs,
        (packetNumber, { at, isAckEliciting }) => {
          if (isAckEliciting) this.#elicitingFlying--;
          this.#lost.push({ at, isAckEliciting, packetNumber });
          this.#hasLostSinceAck = true;
        },
      );
    }
    if (
      now - this.probeFrom >= PROBE_SHARE * this.probeTimeoutMs &&
      (this.#isWaiting || this.#hasLostSinceAck)
    ) {
      this.probedAt = now;
    }
  }

  /** @returns the lost packets in these ranges; each is returned only once */
  #takeLost(ranges: readonly AckRange[]): readonly Lost[] {
    const taken: Lost[] = [];
    for (const [low, high] of ranges) {
      const from = firstAtLeast(this.#lost, low);
      const count = firstAtLeast(this.#lost, high + 1) - from;
      if (count > 0) taken.push(...this.#lost.splice(from, count));
    }
    return taken;
  }

  /** The sender forgets old losses with each ACK that acknowledges something, but none above a packet in flight. */
  #forgetLost(now: number): void {
    const lostBefore = now - LOST_MEMORY_PTOS * this.probeTimeoutMs;
    const firstFlying = this.flying.smallest;
    const kept = this.#lost.findIndex(
      ({ packetNumber, at }) => packetNumber > firstFlying || at >= lostBefore,
    );
    this.#lost.splice(0, kept < 0 ? this.#lost.length : kept);
  }

  get #isWaiting(): boolean {
    return this.#elicitingFlying > 0;
  }

  #begin(epoch: string): void {
    this.#epoch = epoch;
    this.flying.clear();
    this.#elicitingFlying = 0;
    this.#lastEliciting = -1;
    this.#lost = [];
    this.#next = 0;
    this.onNewPath();
    this.largestAcked = -1;
    this.ackedAt = Number.NEGATIVE_INFINITY;
    this.elicitingAckedAt = Number.NEGATIVE_INFINITY;
    this.sentSinceAck = 0;
    this.probedAt = Number.NEGATIVE_INFINITY;
    this.probeFrom = Number.NEGATIVE_INFINITY;
    this.#hasLostSinceAck = false;
  }

  /** spec recovery 2 */
  #sample(now: number, sentAt: number, statedDelayMs: number): void {
    const sampleMs = now - sentAt;
    if (sentAt < this.#sleptUntil) return;
    const longMs = Math.max(SLEEP_SAMPLE_MS, SLEEP_SAMPLE_PTOS * this.probeTimeoutMs);
    const isOfSleep = this.hasSample && !this.#trustsNext && sampleMs >= longMs;
    this.#trustsNext = isOfSleep;
    if (isOfSleep) {
      this.#sleptUntil = now;
      return;
    }
    this.sampleSentAt = sentAt;
    this.latestMs = sampleMs;
    this.minMs = Math.min(this.minMs, sampleMs);
    if (!this.hasSample) {
      this.hasSample = true;
      this.smoothedMs = sampleMs;
      this.varianceMs = sampleMs / 2;
      return;
    }
    const delayMs = Math.min(statedDelayMs, MAX_ACK_DELAY_MS);
    const adjusted = sampleMs - delayMs >= this.minMs ? sampleMs - delayMs : sampleMs;
    this.varianceMs = 0.75 * this.varianceMs + 0.25 * Math.abs(this.smoothedMs - adjusted);
    this.smoothedMs = 0.875 * this.smoothedMs + 0.125 * adjusted;
  }
}

/** @returns the index of the first packet whose number is not smaller */
function firstAtLeast(packets: readonly Lost[], least: number): number {
  let [low, high] = [0, packets.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((packets[middle] as Lost).packetNumber < least) low = middle + 1;
    else high = middle;
  }
  return low;
}
