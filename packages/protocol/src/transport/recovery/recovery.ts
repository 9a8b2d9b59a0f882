/** Loss detection and probe timeouts (spec recovery 3, 4; RFC 9002 §6), for one connection.
 *
 *  It knows numbers, times and sizes. What was inside a packet is the connection's: it is told through
 *  `RecoveryListener` which packets arrived or were lost. */
import type { Deadline } from '../../deadline.js';
import {
  ACK_DELAY_UNITS_PER_MS,
  GRANULARITY_MS,
  MAX_DATA_PROBES,
  PERSISTENT_CONGESTION_THRESHOLD,
} from '../limits.js';
import { DeliveryRate } from './delivery-rate.js';
import { PacketKind, PacketLog, PacketState } from './packet-log.js';
import { Reordering } from './reordering.js';
import { RttEstimator } from './rtt.js';

/** How long a packet declared lost is remembered, in probe timeouts (spec recovery 3.3). */
const LOST_MEMORY_PTOS = 3;

export interface RecoveryListener {
  /** Newly acknowledged; also after `onPacketLost`, when the loss was spurious. */
  onPacketAcknowledged(now: number, packetNumber: number): void;
  onPacketLost(now: number, packetNumber: number): void;
}

/** What one ACK frame or one timeout changed: filled anew by each call, read before the next. */
export interface RecoveryOutcome {
  /** Bytes in flight that were newly acknowledged. */
  ackedBytes: number;
  /** When the newest of the acknowledged packets was sent. */
  newestAckedSentAt: number;
  /** An RTT sample was taken. */
  sampledRtt: boolean;
  lostPackets: number;
  persistentCongestion: boolean;
  /** A packet declared lost was acknowledged after all: when it was sent, or -1. */
  spuriousLossSentAt: number;
}

/** Ranges of an ACK frame, greatest first, as the frame reader holds them. */
export interface AckRanges {
  readonly rangeCount: number;
  readonly rangeLow: Float64Array;
  readonly rangeHigh: Float64Array;
  readonly ackDelayUnits: number;
}

export class Recovery {
  rtt = new RttEstimator();
  readonly log = new PacketLog();
  readonly rates = new DeliveryRate(this.log);
  readonly outcome: RecoveryOutcome = {
    ackedBytes: 0,
    newestAckedSentAt: -1,
    sampledRtt: false,
    lostPackets: 0,
    persistentCongestion: false,
    spuriousLossSentAt: -1,
  };
  bytesInFlight = 0;
  packetsLost = 0;
  /** Probe timeouts in a row without an acknowledgement. */
  ptoCount = 0;
  /** Ack-eliciting probes that may go out beyond the window (spec recovery 4). */
  probesDue = 0;

  readonly #listener: RecoveryListener;
  #largestAcked = -1;
  #reordering = new Reordering();
  #ackElicitingInFlight = 0;
  #lastAckElicitingSentAt = 0;
  /** The probe timer counts from here. Sending moves it only when nothing was in flight (spec recovery 4). */
  #probeFrom = 0;
  /** Packets before it went over another path: nothing of this one is learned from them (spec path 4). */
  #pathFirst = 0;
  /** Nothing below it is in flight any more. */
  #oldest = 0;
  #lossTimeAt = Number.POSITIVE_INFINITY;
  /** The probe timer and persistent congestion count from here at the earliest: no key before (spec recovery 7). */
  #usableSince = 0;

  readonly #maxPtoMs: number;

  constructor(listener: RecoveryListener, maxPtoMs: number) {
    this.#listener = listener;
    this.#maxPtoMs = maxPtoMs;
  }

  get largestAcked(): number {
    return this.#largestAcked;
  }
  get ackElicitingInFlight(): number {
    return this.#ackElicitingInFlight;
  }

  /** Ack-eliciting packets are those that count in flight. */
  onPacketSent(now: number, sizeBytes: number, kind: PacketKind): number {
    if (kind === PacketKind.quiet) return this.log.push(now, 0, kind);
    const packetNumber = this.log.push(now, sizeBytes, kind);
    this.bytesInFlight += sizeBytes;
    this.rates.onPacketSent(now, packetNumber, sizeBytes, this.bytesInFlight);
    if (this.#ackElicitingInFlight++ === 0) this.#probeFrom = now;
    this.#lastAckElicitingSentAt = now;
    if (this.probesDue > 0) this.probesDue--;
    return packetNumber;
  }

  /** Whether one more packet can be remembered, and behind it those that must always be sent. */
  hasRoom(now: number): boolean {
    if (this.log.isNearlyFull) this.#forget(now);
    return !this.log.isNearlyFull;
  }

  /** @returns undefined, or what is wrong with the frame: the peer acknowledged what was never sent */
  onAck(now: number, ack: AckRanges): string | undefined {
    const outcome = this.#beginOutcome();
    const { log } = this;
    const problem = this.#problemOf(ack);
    if (problem !== undefined) return problem;
    const largest = ack.rangeHigh[0] as number;
    const largestIsNew = log.unacknowledgedAtOrBelow(largest) === largest;
    const largestSentAt = largestIsNew ? (log.sentAt[log.slot(largest)] as number) : 0;
    const largestBefore = this.#largestAcked;
    if (largest > largestBefore) this.#largestAcked = largest;

    this.rates.beginAck();
    let newlyAcked = 0;
    let ackElicitingAcked = false;
    // spec streams 2.2: the loop runs over our own packets that are not acknowledged, never over the peer's numbers
    for (let r = 0; r < ack.rangeCount; r++) {
      const low = Math.max(ack.rangeLow[r] as number, log.first);
      let n = log.unacknowledgedAtOrBelow(ack.rangeHigh[r] as number);
      for (; n >= low; n = log.unacknowledgedAtOrBelow(n - 1)) {
        newlyAcked++;
        if (log.isAckEliciting(n)) {
          ackElicitingAcked = true;
          if (n < largestBefore) this.#noteLate(now, n);
        }
        this.#acknowledge(now, n, largest, outcome);
      }
    }
    if (newlyAcked === 0) return undefined;
    if (largestIsNew && ackElicitingAcked && largest >= this.#pathFirst) {
      this.rtt.update(now, Math.max(0, now - largestSentAt), ack.ackDelayUnits / ACK_DELAY_UNITS_PER_MS);
      outcome.sampledRtt = true;
    }
    this.ptoCount = 0;
    this.probesDue = 0;
    this.#probeFrom = this.#lastAckElicitingSentAt;
    this.#detectLosses(now);
    this.rates.endAck(this.rtt.minMs);
    this.#forget(now);
    return undefined;
  }

  handleTimeout(now: number): void {
    this.#beginOutcome();
    if (now >= this.#forgettingAt) this.#forget(now);
    if (now >= this.#lossTimeAt) {
      this.#detectLosses(now);
      this.#countFromOldest();
      return;
    }
    const probe = this.#probeAt();
    if (probe !== undefined && now >= probe) {
      this.ptoCount++;
      this.probesDue = this.ptoCount > MAX_DATA_PROBES ? 1 : 2;
      // The next interval counts from this expiry, even if nothing can be sent at once.
      this.#probeFrom = now;
    }
  }

  pollTimeout(): Deadline | undefined {
    if (this.#lossTimeAt !== Number.POSITIVE_INFINITY)
      return { at: this.#lossTimeAt, reason: 'loss detection' };
    const probe = this.#probeAt();
    if (probe !== undefined) return { at: probe, reason: 'probe timeout' };
    const at = this.#forgettingAt;
    return at === Number.POSITIVE_INFINITY ? undefined : { at, reason: 'room for sent packets' };
  }

  /** A usable key is there again: what was silent had no chance to be answered (spec recovery 7). */
  onSendingResumed(now: number): void {
    this.#usableSince = now;
    this.ptoCount = 0;
    this.#probeFrom = now;
  }

  /** The peer was heard of by something else than an acknowledgement: whatever the back-off, probe at once (spec recovery 4.2). */
  onSignOfLife(now: number): void {
    if (this.ptoCount === 0 || this.#ackElicitingInFlight === 0) return;
    this.ptoCount = 0;
    this.probesDue = 2;
    this.#probeFrom = now;
  }

  /** What is sent from now on goes over another path (spec path 4). */
  onNewPath(): void {
    this.#pathFirst = this.log.next;
    this.rtt = new RttEstimator();
    this.#reordering = new Reordering();
    this.ptoCount = 0;
  }
  isOfThisPath(packetNumber: number): boolean {
    return packetNumber >= this.#pathFirst;
  }

  isOutstanding(packetNumber: number): boolean {
    return packetNumber >= this.log.first && this.#state(packetNumber) === PacketState.outstanding;
  }

  /** The oldest packet whose contents a probe may repeat, or -1. */
  oldestOutstanding(): number {
    for (let n = this.#firstOutstanding(); n < this.log.next; n++) {
      if (this.#state(n) === PacketState.outstanding && this.log.isAckEliciting(n)) return n;
    }
    return -1;
  }

  /** Any packet in flight larger than so many bytes? Looks at each: for rare events. */
  hasInFlightAbove(bytes: number): boolean {
    const { log } = this;
    for (let n = this.#firstOutstanding(); n < log.next; n++) {
      const isOrdinary = this.#state(n) === PacketState.outstanding && !log.isMtuProbe(n);
      if (isOrdinary && (log.size[log.slot(n)] as number) > bytes) return true;
    }
    return false;
  }

  #state(packetNumber: number): PacketState {
    return this.log.state[this.log.slot(packetNumber)] as PacketState;
  }

  /** What is wrong with an ACK frame; nothing has changed then. */
  #problemOf(ack: AckRanges): string | undefined {
    if ((ack.rangeHigh[0] as number) >= this.log.next) return 'ACK of a packet never sent';
    for (let r = 0; r < ack.rangeCount; r++) {
      if (this.log.hasSkippedIn(ack.rangeLow[r] as number, ack.rangeHigh[r] as number)) {
        return 'ACK of a skipped packet number';
      }
    }
    return undefined;
  }

  #forget(now: number): void {
    this.log.forget(now - LOST_MEMORY_PTOS * this.rtt.probeTimeoutMs);
  }

  /** When a lost packet that stands in the way of all others may be forgotten: no acknowledgement may come that would do it. */
  get #forgettingAt(): number {
    const { log } = this;
    if (!log.isNearlyFull || this.#state(log.first) !== PacketState.lost) return Number.POSITIVE_INFINITY;
    const sentAt = log.sentAt[log.slot(log.first)] as number;
    return sentAt + LOST_MEMORY_PTOS * this.rtt.probeTimeoutMs + GRANULARITY_MS;
  }

  #probeAt(): number | undefined {
    if (this.#ackElicitingInFlight === 0) return undefined;
    const timeout = this.rtt.probeTimeoutMs;
    const interval = Math.min(timeout * 2 ** Math.min(this.ptoCount, 16), Math.max(this.#maxPtoMs, timeout));
    return Math.max(this.#probeFrom, this.#usableSince) + interval;
  }

  #acknowledge(now: number, n: number, largest: number, outcome: RecoveryOutcome): void {
    const { log } = this;
    const i = log.slot(n);
    const sentAt = log.sentAt[i] as number;
    const size = log.size[i] as number;
    const isOfThisPath = n >= this.#pathFirst;
    if (size > 0 && isOfThisPath) this.rates.onPacketAcknowledged(now, n, size, sentAt);
    if (log.state[i] === PacketState.outstanding) {
      this.bytesInFlight -= size;
      if (isOfThisPath) outcome.ackedBytes += size;
      if (log.isAckEliciting(n)) this.#ackElicitingInFlight--;
      if (sentAt > outcome.newestAckedSentAt) outcome.newestAckedSentAt = sentAt;
    } else if (isOfThisPath) {
      // spec recovery 3.3
      outcome.spuriousLossSentAt = Math.max(outcome.spuriousLossSentAt, sentAt);
      this.#reordering.onSpuriousLoss(largest - n);
    }
    log.acknowledge(n);
    this.#listener.onPacketAcknowledged(now, n);
  }

  /** A packet is acknowledged after a later one (spec recovery 3.3). */
  #noteLate(now: number, n: number): void {
    if (n < this.#pathFirst) return;
    this.#reordering.onLatePacket(now, now - (this.log.sentAt[this.log.slot(n)] as number));
  }

  #detectLosses(now: number): void {
    const outcome = this.outcome;
    const { packetThreshold } = this.#reordering;
    const delay = this.#reordering.lossDelayMs(now, Math.max(this.rtt.smoothedMs, this.rtt.latestMs));
    this.#lossTimeAt = Number.POSITIVE_INFINITY;
    let oldestLostAt = Number.POSITIVE_INFINITY;
    let newestLostAt = 0;
    const end = this.#largestAcked;
    for (let n = this.#firstOutstanding(); n < end; n++) {
      const state = this.#state(n);
      if (state === PacketState.acknowledged) {
        // An acknowledged packet in between ends a run of losses (RFC 9002 §7.6.1).
        oldestLostAt = Number.POSITIVE_INFINITY;
        continue;
      }
      if (state !== PacketState.outstanding) continue;
      const sentAt = this.log.sentAt[this.log.slot(n)] as number;
      if (n > end - packetThreshold && sentAt + delay > now) {
        this.#lossTimeAt = Math.min(this.#lossTimeAt, sentAt + delay);
        continue;
      }
      this.#lose(now, n, outcome);
      if (!this.log.isAckEliciting(n) || sentAt < Math.max(this.rtt.firstSampleAt, this.#usableSince))
        continue;
      oldestLostAt = Math.min(oldestLostAt, sentAt);
      newestLostAt = Math.max(newestLostAt, sentAt);
      if (newestLostAt - oldestLostAt > PERSISTENT_CONGESTION_THRESHOLD * this.rtt.probeTimeoutMs) {
        outcome.persistentCongestion = true;
      }
    }
    if (outcome.persistentCongestion) this.rtt.forgetMinimum();
  }

  /** What the probe timer was started for is lost: what is in flight now has not waited that long (spec recovery 4). */
  #countFromOldest(): void {
    const oldest = this.oldestOutstanding();
    if (oldest < 0) return;
    this.#probeFrom = Math.max(this.#probeFrom, this.log.sentAt[this.log.slot(oldest)] as number);
  }

  #firstOutstanding(): number {
    const { log } = this;
    let n = Math.max(this.#oldest, log.first);
    while (n < log.next && this.#state(n) !== PacketState.outstanding) n++;
    this.#oldest = n;
    return n;
  }

  #lose(now: number, n: number, outcome: RecoveryOutcome): void {
    const { log } = this;
    const size = log.size[log.slot(n)] as number;
    this.bytesInFlight -= size;
    if (log.isAckEliciting(n)) this.#ackElicitingInFlight--;
    if (size > 0) {
      outcome.lostPackets++;
      this.packetsLost++;
      if (n >= this.#pathFirst && !log.isMtuProbe(n)) this.rates.lostBytes += size;
    }
    log.state[log.slot(n)] = PacketState.lost;
    this.#listener.onPacketLost(now, n);
  }

  #beginOutcome(): RecoveryOutcome {
    const { outcome } = this;
    outcome.ackedBytes = 0;
    outcome.newestAckedSentAt = -1;
    outcome.sampledRtt = false;
    outcome.lostPackets = 0;
    outcome.persistentCongestion = false;
    outcome.spuriousLossSentAt = -1;
    return outcome;
  }
}
