/** Which packets arrived and which are lost (spec recovery 3; RFC 9002 §6), for one connection.
 *
 *  It judges numbers, times and sizes, and never looks into a packet: `onAck` and `handleTimeout` return the numbers of the packets that
 *  were acknowledged or lost, and the connection does what follows from that. The packets themselves are in the `PacketLog`; a packet
 *  that was returned stays there until `forget`. */
import type { Deadline } from '../../deadline.js';
import { ACK_DELAY_UNITS_PER_MS, GRANULARITY_MS, PERSISTENT_CONGESTION_THRESHOLD } from '../limits.js';
import { PacketKind, PacketLog, PacketState } from './packet-log.js';
import { ProbeTimer } from './probe-timer.js';
import { Reordering } from './reordering.js';
import { RttEstimator } from './rtt.js';

/** How long a packet declared lost is remembered, in probe timeouts (spec recovery 3.3). */
const LOST_MEMORY_PTOS = 3;

/** What one ACK frame or one timeout changed. The next call fills the same object again. */
export interface RecoveryOutcome {
  /** Newly acknowledged packets, the greatest number of each range first; also those whose loss turns out to be spurious. */
  readonly acknowledged: readonly number[];
  /** Packets that are lost, the lowest number first. */
  readonly lost: readonly number[];
  /** Bytes in flight that were newly acknowledged. */
  readonly ackedBytes: number;
  /** When the newest of the acknowledged packets was sent. */
  readonly newestAckedSentAt: number;
  /** An RTT sample was taken. */
  readonly sampledRtt: boolean;
  readonly persistentCongestion: boolean;
  /** A packet declared lost was acknowledged after all: when it was sent, or -1. */
  readonly spuriousLossSentAt: number;
}

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
  bytesInFlight = 0;
  packetsLost = 0;

  readonly #probe: ProbeTimer;
  readonly #outcome = new Outcome();
  #largestAcked = -1;
  #reordering = new Reordering();
  #ackElicitingInFlight = 0;
  /** Packets before it went over another path: nothing of this one is learned from them (spec path 4). */
  #pathFirst = 0;
  /** Nothing below it is in flight any more. */
  #oldest = 0;
  #lossTimeAt = Number.POSITIVE_INFINITY;

  constructor(maxPtoMs: number) {
    this.#probe = new ProbeTimer(maxPtoMs);
  }

  get largestAcked(): number {
    return this.#largestAcked;
  }
  get ackElicitingInFlight(): number {
    return this.#ackElicitingInFlight;
  }
  /** Probe timeouts in a row without an acknowledgement. */
  get ptoCount(): number {
    return this.#probe.expiries;
  }
  /** Ack-eliciting probes that may go out beyond the window (spec recovery 4). */
  get probesDue(): number {
    return this.#probe.probesDue;
  }

  /** Ack-eliciting packets are those that count in flight. */
  onPacketSent(now: number, sizeBytes: number, kind: PacketKind): number {
    if (kind === PacketKind.quiet) return this.log.push(now, 0, kind);
    const packetNumber = this.log.push(now, sizeBytes, kind);
    this.bytesInFlight += sizeBytes;
    this.#probe.onSent(now, this.#ackElicitingInFlight++ === 0);
    return packetNumber;
  }

  /** Whether one more packet can be remembered, and behind it those that must always be sent. */
  hasRoom(now: number): boolean {
    if (this.log.isNearlyFull) this.forget(now);
    return !this.log.isNearlyFull;
  }

  /** What is wrong with an ACK frame, or undefined. To be asked before `onAck`, so that a frame that is refused changes nothing. */
  problemOf(ack: AckRanges): string | undefined {
    if ((ack.rangeHigh[0] as number) >= this.log.next) return 'ACK of a packet never sent';
    for (let r = 0; r < ack.rangeCount; r++) {
      if (this.log.hasSkippedIn(ack.rangeLow[r] as number, ack.rangeHigh[r] as number)) {
        return 'ACK of a skipped packet number';
      }
    }
    return undefined;
  }

  /** @param ack a frame that `problemOf` found nothing wrong with */
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
    // spec streams 2.2: the loop runs over our own packets that are not acknowledged, never over the peer's numbers
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
      this.rtt.update(now, Math.max(0, now - largestSentAt), ack.ackDelayUnits / ACK_DELAY_UNITS_PER_MS);
      outcome.sampledRtt = true;
    }
    this.#probe.onAcknowledged();
    this.#detectLosses(now);
    return outcome;
  }

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

  /** Forgets the packets of which nothing more is expected: those that arrived, and those lost long ago. */
  forget(now: number): void {
    this.log.forget(now - LOST_MEMORY_PTOS * this.rtt.probeTimeoutMs);
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
    this.#probe.onSendingResumed(now);
  }

  /** The peer was heard of by something else than an acknowledgement: whatever the back-off, probe at once (spec recovery 4.2). */
  onSignOfLife(now: number): void {
    if (this.#ackElicitingInFlight > 0) this.#probe.onSignOfLife(now);
  }

  /** What is sent from now on goes over another path (spec path 4). */
  onNewPath(): void {
    this.#pathFirst = this.log.next;
    this.rtt = new RttEstimator();
    this.#reordering = new Reordering();
    this.#probe.onNewPath();
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

  /** When a lost packet that stands in the way of all others may be forgotten: no acknowledgement may come that would do it. */
  get #forgettingAt(): number {
    const { log } = this;
    if (!log.isNearlyFull || this.#state(log.first) !== PacketState.lost) return Number.POSITIVE_INFINITY;
    const sentAt = log.sentAt[log.slot(log.first)] as number;
    return sentAt + LOST_MEMORY_PTOS * this.rtt.probeTimeoutMs + GRANULARITY_MS;
  }

  #probeAt(): number | undefined {
    if (this.#ackElicitingInFlight === 0) return undefined;
    return this.#probe.dueAt(this.rtt.probeTimeoutMs);
  }

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
      // spec recovery 3.3
      outcome.spuriousLossSentAt = Math.max(outcome.spuriousLossSentAt, sentAt);
      this.#reordering.onSpuriousLoss(largest - n);
    }
    log.acknowledge(n);
    outcome.acknowledged.push(n);
  }

  /** A packet is acknowledged after a later one (spec recovery 3.3). */
  #noteLate(now: number, n: number): void {
    if (n < this.#pathFirst) return;
    this.#reordering.onLatePacket(now, now - (this.log.sentAt[this.log.slot(n)] as number));
  }

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

  #firstOutstanding(): number {
    const { log } = this;
    let n = Math.max(this.#oldest, log.first);
    while (n < log.next && this.#state(n) !== PacketState.outstanding) n++;
    this.#oldest = n;
    return n;
  }

  #lose(n: number): void {
    const { log } = this;
    const size = log.size[log.slot(n)] as number;
    this.bytesInFlight -= size;
    if (log.isAckEliciting(n)) this.#ackElicitingInFlight--;
    if (size > 0) this.packetsLost++;
    log.state[log.slot(n)] = PacketState.lost;
    this.#outcome.lost.push(n);
  }
}
