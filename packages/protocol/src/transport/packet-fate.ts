import type { OwnHello } from './own-hello.js';
import { type ConnectionParts, hasDataToSend } from './parts.js';
import type { PathFeedback } from './path-feedback.js';
import { Content } from './recovery/packet-log.js';
import type { RecoveryOutcome } from './recovery/recovery.js';
import { SentFrameKind } from './recovery/sent-frames.js';

/** Carries out what follows when packets are acknowledged or lost (spec recovery 3.2).
 *
 *  Recovery returns the numbers of these packets, and the PacketLog knows what was in each of them. This class informs
 *  everything that put something in: the streams, our HELLO, and the ranges of received packets. A lost packet is never
 *  sent again as it was. Instead, its contents are requested again, and later written in their newest form.
 *  PathFeedback then learns what the packets say about the path. */
export class PacketFate {
  readonly #parts: ConnectionParts;
  readonly #hello: OwnHello;
  readonly #feedback: PathFeedback;

  constructor(parts: ConnectionParts, hello: OwnHello, feedback: PathFeedback) {
    this.#parts = parts;
    this.#hello = hello;
    this.#feedback = feedback;
  }

  /** Carries out what an ACK frame or a timeout has changed. */
  handle(now: number, outcome: RecoveryOutcome): void {
    for (const packetNumber of outcome.acknowledged) this.#onAcknowledged(packetNumber);
    for (const packetNumber of outcome.lost) {
      this.#parts.tail.onSettled(packetNumber);
      this.sendAgain(packetNumber);
    }
    this.#feedback.handle(now, outcome);
    if (outcome.acknowledged.length > 0) this.#parts.recovery.forget(now);
  }

  /** Requests again what was in a packet, unless it no longer matters.
   *  @returns whether there is anything to send now */
  sendAgain(packetNumber: number): boolean {
    const { recovery, pending } = this.#parts;
    const { log } = recovery;
    const i = log.slot(packetNumber);
    const contents = log.contents[i] as number;
    if ((contents & Content.maxData) !== 0) pending.requestMaxData();
    if ((contents & Content.maxStreams) !== 0) pending.requestMaxStreams();
    const first = log.firstFrame[i] as number;
    const end = first + (log.frameCount[i] as number);
    for (let frame = first; frame < end; frame++) this.#frameAgain(frame);
    return hasDataToSend(this.#parts);
  }

  #onAcknowledged(packetNumber: number): void {
    const { received, recovery, tail } = this.#parts;
    const { log } = recovery;
    const i = log.slot(packetNumber);
    const contents = log.contents[i] as number;
    tail.onSettled(packetNumber);
    if ((contents & Content.ack) !== 0) received.onAckAcknowledged(log.ackLargest[i] as number);
    if ((contents & Content.hello) !== 0) this.#hello.onAcknowledged(log.keypair[i] as number);
    const first = log.firstFrame[i] as number;
    const end = first + (log.frameCount[i] as number);
    for (let frame = first; frame < end; frame++) this.#frameAcknowledged(frame);
  }

  #frameAcknowledged(frame: number): void {
    const { recovery, streams } = this.#parts;
    const { frames } = recovery.log;
    const i = frames.slot(frame);
    const id = frames.streamId[i] as number;
    const kind = frames.kind[i] as SentFrameKind;
    if (kind === SentFrameKind.stream || kind === SentFrameKind.streamFin) {
      const fin = kind === SentFrameKind.streamFin;
      streams.onFrameAcknowledged(id, frames.start[i] as number, frames.length[i] as number, fin);
    } else if (kind === SentFrameKind.reset) streams.onResetAcknowledged(id);
  }

  #frameAgain(frame: number): void {
    const { recovery, streams } = this.#parts;
    const { frames } = recovery.log;
    const i = frames.slot(frame);
    const id = frames.streamId[i] as number;
    switch (frames.kind[i] as SentFrameKind) {
      case SentFrameKind.stream:
        streams.onFrameLost(id, frames.start[i] as number, frames.length[i] as number, false);
        break;
      case SentFrameKind.streamFin:
        streams.onFrameLost(id, frames.start[i] as number, frames.length[i] as number, true);
        break;
      case SentFrameKind.reset:
        streams.onResetLost(id);
        break;
      case SentFrameKind.stop:
        streams.onStopLost(id);
        break;
      case SentFrameKind.maxStreamData:
        streams.onMaxStreamDataLost(id);
        break;
    }
  }
}
