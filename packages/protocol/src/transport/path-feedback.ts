import { type AckSample, emptyAckSample, emptyLossSample, type LossSample } from './congestion/controller.js';
import { type ConnectionParts, createController } from './parts.js';
import type { RecoveryOutcome } from './recovery/recovery.js';
import type { SendGate } from './send-gate.js';

/** Passes on what acknowledged and lost packets say about the path: to the delivery rate, the congestion controller,
 *  the pacer, the MTU search and the tail repeater.
 *
 *  PacketFate calls it with each outcome of recovery. Packets that were sent over an earlier path count for nothing
 *  here (spec path 4). Apart from the two samples that it fills again for each ACK and each loss, its only state is the
 *  size of a full datagram that the congestion controller and the pacer know. */
export class PathFeedback {
  readonly #parts: ConnectionParts;
  readonly #gate: Pick<SendGate, 'applicationLimited' | 'windowLimitedAt'>;
  readonly #ackSample: AckSample = emptyAckSample();
  readonly #lossSample: LossSample = emptyLossSample();
  #datagramBytes: number;

  /** @param gate knows what held the sender back last */
  constructor(parts: ConnectionParts, gate: Pick<SendGate, 'applicationLimited' | 'windowLimitedAt'>) {
    this.#parts = parts;
    this.#gate = gate;
    this.#datagramBytes = parts.mtu.datagramBytes;
  }

  /** The size of a full datagram: bytes of UDP payload. */
  get datagramBytes(): number {
    return this.#datagramBytes;
  }

  /** Passes on what an ACK or a timeout changed. */
  handle(now: number, outcome: RecoveryOutcome): void {
    const { congestion, rates, recovery } = this.#parts;
    const hasNews = outcome.acknowledged.length > 0;
    if (hasNews) rates.beginAck();
    for (const packetNumber of outcome.acknowledged) this.#onAcknowledged(now, packetNumber);
    for (const packetNumber of outcome.lost) this.#onLost(now, packetNumber);
    if (hasNews) rates.endAck(recovery.rtt.minMs);
    if (outcome.spuriousLossSentAt >= 0) congestion.onSpuriousLoss(now, outcome.spuriousLossSentAt);
    if (outcome.persistentCongestion) congestion.onPersistentCongestion(now);
    if (outcome.ackedBytes > 0) {
      congestion.onAck(this.#fillAckSample(now, outcome));
      if (congestion.isHoldingBack) rates.markApplicationLimited(recovery.bytesInFlight);
    }
    this.#updateDatagramBytes();
  }

  /** The system refused to send a datagram of this many bytes. */
  handleTooLarge(now: number, bytes: number): void {
    this.#parts.mtu.onTooLarge(now, bytes);
    this.#updateDatagramBytes();
  }

  /** The path has changed, and nothing is known about the new one. */
  restart(now: number): void {
    const { config, random, mtu, tail } = this.#parts;
    tail.onNewPath();
    mtu.restart(now);
    this.#parts.congestion = createController(config, mtu.datagramBytes, random);
    this.#updateDatagramBytes();
  }

  #onAcknowledged(now: number, packetNumber: number): void {
    const { recovery, rates, mtu } = this.#parts;
    const { log } = recovery;
    const i = log.slot(packetNumber);
    const bytes = log.size[i] as number;
    if (bytes > 0 && recovery.isOfThisPath(packetNumber)) rates.onPacketAcknowledged(now, packetNumber);
    if (log.isMtuProbe(packetNumber)) mtu.onProbeAcknowledged(now, bytes);
    else if (bytes > 0) mtu.onPacketAcknowledged(bytes, log.sentAt[i] as number);
  }

  #onLost(now: number, packetNumber: number): void {
    const { recovery, congestion, rates, mtu, tail } = this.#parts;
    const { log } = recovery;
    const i = log.slot(packetNumber);
    const bytes = log.size[i] as number;
    // The loss of a probe is no sign of congestion (spec mtu 2.2).
    if (log.isMtuProbe(packetNumber)) {
      mtu.onProbeLost(now);
      return;
    }
    if (bytes === 0 || !recovery.isOfThisPath(packetNumber)) return;
    const sentAt = log.sentAt[i] as number;
    tail.onPacketLost(now);
    mtu.onPacketLost(now, bytes, sentAt);
    rates.onPacketLost(packetNumber);
    const loss = this.#lossSample;
    loss.now = now;
    loss.packetNumber = packetNumber;
    loss.bytes = bytes;
    loss.sentAt = sentAt;
    loss.bytesInFlightAtSend = rates.bytesInFlightAtSend(packetNumber);
    loss.lostSinceSendBytes = rates.lostSinceBytes(packetNumber);
    loss.rateApplicationLimited = rates.wasApplicationLimited(packetNumber);
    loss.totalDeliveredBytes = rates.deliveredBytes;
    congestion.onPacketLost(loss);
  }

  #fillAckSample(now: number, outcome: RecoveryOutcome): AckSample {
    const { recovery, rates } = this.#parts;
    const { rtt, bytesInFlight } = recovery;
    const sample = this.#ackSample;
    sample.now = now;
    sample.ackedBytes = outcome.ackedBytes;
    sample.bytesInFlight = bytesInFlight;
    sample.newestSentAt = outcome.newestAckedSentAt;
    sample.hasRttSample = outcome.sampledRtt;
    sample.smoothedRttMs = rtt.smoothedMs;
    sample.latestRttMs = rtt.latestOfPathMs;
    sample.minRttMs = rtt.minMs;
    sample.applicationLimited = this.#gate.applicationLimited;
    sample.windowLimited = this.#gate.windowLimitedAt >= now - rtt.smoothedMs;
    sample.deliveryRate = rates.sample.deliveryRate;
    sample.deliveredBytes = rates.sample.deliveredBytes;
    sample.priorDeliveredBytes = rates.sample.priorDeliveredBytes;
    sample.totalDeliveredBytes = rates.deliveredBytes;
    sample.bytesInFlightAtSend = rates.sample.bytesInFlightAtSend;
    sample.lostSinceSendBytes = rates.sample.lostSinceBytes;
    sample.rateApplicationLimited = rates.sample.applicationLimited;
    return sample;
  }

  /** Passes on the size of a full datagram, if the MTU search has changed it. */
  #updateDatagramBytes(): void {
    const { mtu, congestion, pacer } = this.#parts;
    if (mtu.datagramBytes === this.#datagramBytes) return;
    this.#datagramBytes = mtu.datagramBytes;
    congestion.onDatagramBytes(this.#datagramBytes);
    pacer.onDatagramBytes(this.#datagramBytes);
  }
}
