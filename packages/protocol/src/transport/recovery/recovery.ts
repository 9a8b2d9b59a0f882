import type { Deadline } from '../../deadline.js';
import { ACK_DELAY_UNITS_PER_MS, GRANULARITY_MS, PERSISTENT_CONGESTION_THRESHOLD } from '../limits.js';
import { PacketKind, PacketLog, PacketState } from './packet-log.js';
import { ProbeTimer } from './probe-timer.js';
import { Reordering } from './reordering.js';
import { RttEstimator } from './rtt.js';

/** For how many probe timeouts a lost packet is remembered after it was sent (spec recovery 3.3). */
const LOST_MEMORY_PTOS = 3;

/** What an ACK frame or a timeout changed. The same object is filled again by the next call. */
export interface RecoveryOutcome {
  /** The newly acknowledged packets, including those whose loss turned out to be spurious. Greater numbers come
   *  first. */
  readonly acknowledged: readonly number[];
  /** The packets that were declared lost. Lower numbers come first. */
  readonly lost: readonly number[];
  /** How many bytes that were in flight on this path were acknowledged. */
  readonly ackedBytes: number;
  /** When the newest of the acknowledged packets that were in flight was sent; -1 if there is none. */
  readonly newestAckedSentAt: number;
  /** Whether an RTT sample was taken. */
  readonly sampledRtt: boolean;
  /** Whether there is persistent congestion (spec recovery 5.3). */
  readonly persistentCongestion: boolean;
  /** If a packet that was declared lost was acknowledged: when the newest such packet was sent; otherwise -1. */
  readonly spuriousLossSentAt: number;
}

/** The outcome that Recovery fills and returns. Its readers get it as a RecoveryOutcome, which cannot be changed. */
class Outcome implements RecoveryOutcome {
  readonly acknowledged: number[] = [];
  readonly lost: number[] = [];
  ackedBytes = 0;
  newestAckedSentAt = -1;
  sampledRtt = false;
  persistentCongestion = false;
  spuriousLossSentAt = -1;

  clear(): void {
    this.acknowledged.length = 0;
    this.lost.length = 0;
    this.ackedBytes = 0;
    this.newestAckedSentAt = -1;
    this.sampledRtt = false;
    this.persistentCongestion = false;
    this.spuriousLossSentAt = -1;
  }
}

/** The ranges of an ACK frame, the highest first, as the frame reader stores them. */
export interface AckRanges {
  readonly rangeCount: number;
  readonly rangeLow: Float64Array;
  readonly rangeHigh: Float64Array;
  readonly ackDelayUnits: number;
}

/** Finds out which packets of a connection arrived and which are lost (spec recovery 3, 4; RFC 9002 §6).
 *
 *  Recovery deals with numbers, times and sizes, and never looks into a packet. `onAck` and `handleTimeout` return
 *  which packets were acknowledged or lost, and the connection does what follows from that: recovery sends nothing, and
 *  never calls the streams or the congestion controller.
 *
 *  It owns the PacketLog, where a returned packet stays until `forget`; the RTT estimator; the probe timer; what it has
 *  learned about reordering; and the count of bytes in flight. Only ack-eliciting packets count as in flight. */
export class Recovery {
  rtt = new RttEstimator();
  readonly log = new PacketLog();
  bytesInFlight = 0;
  /** Ack-eliciting packets, and how many of those are lost: the loss of another is never noticed. */
  packetsSent = 0;
  packetsLost = 0;

  readonly #probe: ProbeTimer;
  readonly #outcome = new Outcome();
  #largestAcked = -1;
  #reordering = new Reordering();
  #ackElicitingInFlight = 0;
  /** The first packet on the current path. Earlier ones say nothing about it (spec path 4). */
  #pathFirst = 0;
  /** No packet with a lower number is outstanding. */
  #oldest = 0;
  /** When the loss timer expires: when the next packet becomes lost by time alone. */
  #lossTimeAt = Number.POSITIVE_INFINITY;

  /** @param maxPtoMs the longest interval of the probe timer's back-off */
  constructor(maxPtoMs: number) {
    this.#probe = new ProbeTimer(maxPtoMs);
  }

  /** The largest number that was acknowledged; -1 if none was. */
  get largestAcked(): number {
    return this.#largestAcked;
  }
  /** How many ack-eliciting packets are in flight. */
  get ackElicitingInFlight(): number {
    return this.#ackElicitingInFlight;
  }
  /** How many probe timeouts in a row have expired without an acknowledgement. */
  get ptoCount(): number {
    return this.#probe.expiries;
  }
  /** How many ack-eliciting packets may be sent beyond the congestion window (spec recovery 4). */
  get probesDue(): number {
    return this.#probe.probesDue;
  }

  /** Remembers a packet that is being sent, in a datagram of `sizeBytes`.
   *  @returns its number */
  onPacketSent(now: number, sizeBytes: number, kind: PacketKind): number {
    if (kind === PacketKind.quiet) return this.log.push(now, 0, kind);
    const packetNumber = this.log.push(now, sizeBytes, kind);
    this.packetsSent++;
    this.bytesInFlight += sizeBytes;
    this.#probe.onSent(now, this.#ackElicitingInFlight++ === 0);
    return packetNumber;
  }

  /** Whether a packet with new data can be remembered, and after it those that must not wait. */
  hasRoom(now: number): boolean {
    if (this.log.isNearlyFull) this.forget(now);
    return !this.log.isNearlyFull;
  }

  /** Returns what is wrong with an ACK frame, or undefined. It must be called before `onAck`, so that a frame that is
   *  refused changes nothing (spec recovery 3.4). */
  problemOf(ack: AckRanges): string | undefined {
    if ((ack.rangeHigh[0] as number) >= this.log.next) return 'ACK of a packet never sent';
    for (let r = 0; r < ack.rangeCount; r++) {
      if (this.log.hasSkippedIn(ack.rangeLow[r] as number, ack.rangeHigh[r] as number)) {
        return 'ACK of a skipped packet number';
      }
    }
    return undefined;
  }

  /** Handles an ACK frame in which `problemOf` has found nothing wrong. */
  onAck(now: number, ack: AckRanges): RecoveryOutcome {
    const outcome = this.#outcome;
    const { log } = this;
    outcome.clear();
    const largest = ack.rangeHigh[0] as number;
    const largestIsNew = log.unacknowledgedAtOrBelow(largest) === largest;
    const largestSentAt = largestIsNew ? (log.sentAt[log.slot(largest)] as number) : 0;
    const largestBefore = this.#largestAcked;
    if (largest > largestBefore) this.#largestAcked = largest;

    let ackElicitingAcked = false;
    // Loop over our own unacknowledged packets, never over the peer's numbers, which may be many (spec recovery 3.4).
    for (let r = 0; r < ack.rangeCount; r++) {
      const low = Math.max(ack.rangeLow[r] as number, log.first);
      let n = log.unacknowledgedAtOrBelow(ack.rangeHigh[r] as number);
      for (; n >= low; n = log.unacknowledgedAtOrBelow(n - 1)) {
        if (log.isAckEliciting(n)) {
          ackElicitingAcked = true;
          if (n < largestBefore) this.#noteLate(now, n);
        }
        this.#acknowledge(n, largest);
      }
    }
    if (outcome.acknowledged.length === 0) return outcome;
    if (largestIsNew && ackElicitingAcked && largest >= this.#pathFirst) {
      const ackDelayMs = ack.ackDelayUnits / ACK_DELAY_UNITS_PER_MS;
      outcome.sampledRtt = this.rtt.update(now, largestSentAt, ackDelayMs);
    }
    this.#probe.onAcknowledged();
    this.#detectLosses(now);
    return outcome;
  }

  /** Handles the timer that is due, if there is one. */
  handleTimeout(now: number): RecoveryOutcome {
    this.#outcome.clear();
    if (now >= this.#forgettingAt) this.forget(now);
    if (now >= this.#lossTimeAt) {
      this.#detectLosses(now);
      const oldest = this.oldestOutstanding();
      if (oldest >= 0) this.#probe.countFrom(this.log.sentAt[this.log.slot(oldest)] as number);
    } else {
      const probe = this.#probeAt();
      if (probe !== undefined && now >= probe) this.#probe.expire(now);
    }
    return this.#outcome;
  }

  /** Forgets packets that arrived, and packets that were lost long ago, if no older packet is in the way. */
  forget(now: number): void {
    this.log.forget(now - LOST_MEMORY_PTOS * this.rtt.probeTimeoutMs);
  }

  /** When the next timer is due: loss detection, or the probe timer, or room in the log. */
  pollTimeout(): Deadline | undefined {
    if (this.#lossTimeAt !== Number.POSITIVE_INFINITY)
      return { at: this.#lossTimeAt, reason: 'loss detection' };
    const probe = this.#probeAt();
    if (probe !== undefined) return { at: probe, reason: 'probe timeout' };
    const at = this.#forgettingAt;
    return at === Number.POSITIVE_INFINITY ? undefined : { at, reason: 'room for sent packets' };
  }

  /** There is a usable key again. Until now the peer could not answer, so the probe timer starts over
   *  (spec recovery 7). */
  onSendingResumed(now: number): void {
    this.#probe.onSendingResumed(now);
  }

  /** An authenticated datagram of the peer arrived. If the probe timer has expired, its back-off ends, and probes are
   *  sent at once (spec recovery 4.2). */
  onSignOfLife(now: number): void {
    if (this.#ackElicitingInFlight > 0) this.#probe.onSignOfLife(now);
  }

  /** The path has changed: packets sent from now on use another one (spec path 4). */
  onNewPath(): void {
    this.#pathFirst = this.log.next;
    this.rtt = new RttEstimator();
    this.#reordering = new Reordering();
    this.#probe.onNewPath();
  }
  /** Whether a packet was sent over the current path. */
  isOfThisPath(packetNumber: number): boolean {
    return packetNumber >= this.#pathFirst;
  }

  /** Whether a packet is neither acknowledged nor lost. */
  isOutstanding(packetNumber: number): boolean {
    return packetNumber >= this.log.first && this.#state(packetNumber) === PacketState.outstanding;
  }

  /** Returns the oldest ack-eliciting packet from `first` on that is outstanding, or -1. */
  oldestOutstanding(first = 0): number {
    for (let n = Math.max(first, this.#firstOutstanding()); n < this.log.next; n++) {
      if (this.isOutstanding(n) && this.log.isAckEliciting(n)) return n;
    }
    return -1;
  }

  /** Whether a packet larger than this is in flight, other than a probe of the MTU search. It looks at every packet, so
   *  it is only for rare events. */
  hasInFlightAbove(bytes: number): boolean {
    const { log } = this;
    for (let n = this.#firstOutstanding(); n < log.next; n++) {
      const isOrdinary = this.isOutstanding(n) && !log.isMtuProbe(n);
      if (isOrdinary && (log.size[log.slot(n)] as number) > bytes) return true;
    }
    return false;
  }

  #state(packetNumber: number): PacketState {
    return this.log.state[this.log.slot(packetNumber)] as PacketState;
  }

  /** When to forget a lost packet that keeps the log full. No acknowledgement may arrive that would do it. Infinity if
   *  there is no such packet. */
  get #forgettingAt(): number {
    const { log } = this;
    if (!log.isNearlyFull || this.#state(log.first) !== PacketState.lost) return Number.POSITIVE_INFINITY;
    const sentAt = log.sentAt[log.slot(log.first)] as number;
    return sentAt + LOST_MEMORY_PTOS * this.rtt.probeTimeoutMs + GRANULARITY_MS;
  }

  /** When the probe timer expires. */
  #probeAt(): number | undefined {
    if (this.#ackElicitingInFlight === 0) return undefined;
    return this.#probe.dueAt(this.rtt.probeTimeoutMs);
  }

  /** Marks a packet as acknowledged, and adds it to the outcome. */
  #acknowledge(n: number, largest: number): void {
    const { log } = this;
    const outcome = this.#outcome;
    const i = log.slot(n);
    const sentAt = log.sentAt[i] as number;
    const size = log.size[i] as number;
    const isOfThisPath = n >= this.#pathFirst;
    if (log.state[i] === PacketState.outstanding) {
      this.bytesInFlight -= size;
      if (isOfThisPath) outcome.ackedBytes += size;
      if (log.isAckEliciting(n)) this.#ackElicitingInFlight--;
      if (sentAt > outcome.newestAckedSentAt) outcome.newestAckedSentAt = sentAt;
    } else if (isOfThisPath) {
      // It was declared lost (spec recovery 3.3).
      outcome.spuriousLossSentAt = Math.max(outcome.spuriousLossSentAt, sentAt);
      this.#reordering.onSpuriousLoss(largest - n);
    }
    log.acknowledge(n);
    outcome.acknowledged.push(n);
  }

  /** Reports a packet that is acknowledged after a later one (spec recovery 3.3). */
  #noteLate(now: number, n: number): void {
    if (n < this.#pathFirst) return;
    this.#reordering.onLatePacket(now, now - (this.log.sentAt[this.log.slot(n)] as number));
  }

  /** Declares packets lost, and sets the loss timer (spec recovery 3.1). */
  #detectLosses(now: number): void {
    const outcome = this.#outcome;
    const { packetThreshold } = this.#reordering;
    const delay = this.#reordering.lossDelayMs(now, Math.max(this.rtt.smoothedMs, this.rtt.latestMs));
    this.#lossTimeAt = Number.POSITIVE_INFINITY;
    let oldestLostAt = Number.POSITIVE_INFINITY;
    let newestLostAt = 0;
    const end = this.#largestAcked;
    for (let n = this.#firstOutstanding(); n < end; n++) {
      const state = this.#state(n);
      if (state === PacketState.acknowledged) {
        // An acknowledged packet in between ends the run of losses (RFC 9002 §7.6.1).
        oldestLostAt = Number.POSITIVE_INFINITY;
        continue;
      }
      if (state !== PacketState.outstanding) continue;
      const sentAt = this.log.sentAt[this.log.slot(n)] as number;
      if (n > end - packetThreshold && sentAt + delay > now) {
        this.#lossTimeAt = Math.min(this.#lossTimeAt, sentAt + delay);
        continue;
      }
      this.#lose(n);
      if (!this.log.isAckEliciting(n) || sentAt < Math.max(this.rtt.firstSampleAt, this.#probe.usableSince))
        continue;
      oldestLostAt = Math.min(oldestLostAt, sentAt);
      newestLostAt = Math.max(newestLostAt, sentAt);
      if (newestLostAt - oldestLostAt > PERSISTENT_CONGESTION_THRESHOLD * this.rtt.probeTimeoutMs) {
        outcome.persistentCongestion = true;
      }
    }
    if (outcome.persistentCongestion) this.rtt.forgetMinimum();
  }

  /** Returns the lowest number that is outstanding, or the next number if there is none. */
  #firstOutstanding(): number {
    const { log } = this;
    let n = Math.max(this.#oldest, log.first);
    while (n < log.next && this.#state(n) !== PacketState.outstanding) n++;
    this.#oldest = n;
    return n;
  }

  /** Marks a packet as lost, and adds it to the outcome. */
  #lose(n: number): void {
    const { log } = this;
    const size = log.size[log.slot(n)] as number;
    this.bytesInFlight -= size;
    if (log.isAckEliciting(n)) this.#ackElicitingInFlight--;
    if (size > 0) this.packetsLost++;
    log.lose(n);
    this.#outcome.lost.push(n);
  }
}
