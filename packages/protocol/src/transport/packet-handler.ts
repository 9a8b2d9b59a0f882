/** Takes the packets that arrive, one at a time, frame by frame (spec streams 1, 2).
 *
 *  What a frame asks of streams, recovery or the path is done at once; when one is not permitted, the whole packet fails and with it the
 *  connection. It remembers what the peer said of itself, and what the last packet brought that the endpoint has to act on. */
import { copyBytes } from '../copy-bytes.js';
import { ConnectionErrorCode, type DropReason } from '../failure.js';
import { MAX_FRAMES_PER_PACKET, PROTOCOL_VERSION } from './limits.js';
import type { PacketFate } from './packet-fate.js';
import type { ConnectionParts } from './parts.js';
import type { PeerBudgets } from './peer-budgets.js';
import type { FrameOutcome, StreamError } from './streams/stream-set.js';
import { END, type FrameReader, MALFORMED } from './wire/frame-reader.js';
import { FrameType, type Hello } from './wire/frames.js';

/** What became of a packet: nothing special, dropped, the peer's CLOSE, or our reason to close. */
export type PacketOutcome =
  | undefined
  | { readonly dropped: DropReason }
  | { readonly closedByPeer: StreamError }
  | { readonly failed: StreamError };

const DUPLICATE: PacketOutcome = { dropped: 'duplicate-packet' };
/** Left unacknowledged so that it comes again (spec streams 4.6). */
const LATER: PacketOutcome = { dropped: 'reassembly-full' };

export class PacketHandler {
  readonly #parts: ConnectionParts;
  readonly #fate: PacketFate;
  readonly #budgets: PeerBudgets;
  #hello: Hello | undefined;
  #pathResponse: Uint8Array | undefined;
  #closedByPeer: StreamError | undefined;
  /** The packet that is being handled changed something other than streams. */
  #hadEffect = false;

  constructor(parts: ConnectionParts, fate: PacketFate, budgets: PeerBudgets) {
    this.#parts = parts;
    this.#fate = fate;
    this.#budgets = budgets;
  }

  /** What the peer said of itself, once it did. */
  get peerHello(): Hello | undefined {
    return this.#hello;
  }

  /** The bytes of a PATH_RESPONSE that the last packet brought. */
  takePathResponse(): Uint8Array | undefined {
    const response = this.#pathResponse;
    this.#pathResponse = undefined;
    return response;
  }

  /** @param reader stands behind the packet number; HELLO, if there is one, is judged already */
  handle(now: number, packetNumber: number, reader: FrameReader): PacketOutcome {
    const { received, recovery, liveness, streams } = this.#parts;
    // spec streams 1.2
    if (received.isDuplicate(packetNumber)) return DUPLICATE;
    const { effects } = streams;
    let ackEliciting = false;
    let later = false;
    let acks = 0;
    this.#hadEffect = false;
    for (let frames = 0; ; frames++) {
      const type = reader.next();
      if (type === END) break;
      if (type === MALFORMED) return failed(ConnectionErrorCode.frameEncoding, reader.problem);
      // spec streams 2.3
      if (frames === MAX_FRAMES_PER_PACKET)
        return failed(ConnectionErrorCode.protocolViolation, 'too many frames');
      if (type === FrameType.ack && ++acks > 1)
        return failed(ConnectionErrorCode.protocolViolation, 'more than one ACK in a packet');
      if (type === FrameType.hello && frames > 0)
        return failed(ConnectionErrorCode.protocolViolation, 'HELLO behind another frame');
      if (type !== FrameType.ack && type !== FrameType.close) ackEliciting = true;
      const outcome = this.#handleFrame(now, type, reader);
      if (this.#closedByPeer !== undefined) return { closedByPeer: this.#closedByPeer };
      if (outcome === 'later') later = true;
      else if (outcome !== undefined) return { failed: outcome };
    }
    streams.announceRoom();
    // spec streams 2.5
    if (this.#hadEffect || streams.effects > effects) this.#budgets.idlePackets.give();
    else if (!this.#budgets.idlePackets.take(now))
      return failed(ConnectionErrorCode.protocolViolation, 'too many packets without effect');
    if (later) return LATER;
    received.record(now, packetNumber, ackEliciting);
    liveness.onReceived(now, ackEliciting, recovery.rtt.probeTimeoutMs);
    return undefined;
  }

  #handleFrame(now: number, type: number, frame: FrameReader): FrameOutcome {
    const { streams, pending } = this.#parts;
    switch (type) {
      case FrameType.stream:
      case FrameType.streamFin:
        return streams.onStreamFrame(frame, type === FrameType.streamFin);
      case FrameType.ack:
        return this.#handleAck(now, frame);
      case FrameType.maxData:
        streams.onMaxData(frame.limit);
        return undefined;
      case FrameType.maxStreamData:
        return streams.onMaxStreamData(frame.streamId, frame.limit);
      case FrameType.maxStreams:
        streams.onMaxStreams(frame.limit);
        return undefined;
      case FrameType.resetStream:
        return streams.onResetStream(frame.streamId, frame.code, frame.limit);
      case FrameType.stopSending:
        return streams.onStopSending(frame.streamId, frame.code);
      case FrameType.pathChallenge:
        pending.respond(frame.bytes.subarray(frame.dataStart, frame.dataStart + frame.dataLength));
        return undefined;
      case FrameType.pathResponse:
        this.#pathResponse = copyBytes(
          frame.bytes.subarray(frame.dataStart, frame.dataStart + frame.dataLength),
        );
        return undefined;
      case FrameType.hello:
        return this.#handleHello(now, frame.hello as Hello);
      case FrameType.close:
        this.#closedByPeer = { code: frame.code, reason: frame.closeReason };
        return undefined;
      default:
        return undefined; // PING, *_BLOCKED: advice that needs no action
    }
  }

  #handleHello(now: number, hello: Hello): FrameOutcome {
    if (hello.version !== PROTOCOL_VERSION) {
      return { code: ConnectionErrorCode.version, reason: `version ${PROTOCOL_VERSION} is spoken here` };
    }
    if (hello.role === this.#parts.role) {
      return { code: ConnectionErrorCode.protocolViolation, reason: `both sides are a ${hello.role}` };
    }
    if (this.#hello !== undefined) return undefined; // of the same run: it says what the first said
    this.#hadEffect = true;
    this.#hello = hello;
    this.#parts.mtu.restart(now, hello.maxDatagramBytes);
    this.#parts.streams.onHello(hello.maxData, hello.maxStreamData, hello.maxStreams);
    return undefined;
  }

  #handleAck(now: number, frame: FrameReader): FrameOutcome {
    const { recovery } = this.#parts;
    const problem = recovery.problemOf(frame);
    if (problem !== undefined) return { code: ConnectionErrorCode.protocolViolation, reason: problem };
    const outcome = recovery.onAck(now, frame);
    if (outcome.ackedBytes > 0 || outcome.spuriousLossSentAt >= 0) this.#hadEffect = true;
    this.#fate.handle(now, outcome);
    return undefined;
  }
}

function failed(code: number, reason: string): PacketOutcome {
  return { failed: { code, reason } };
}
