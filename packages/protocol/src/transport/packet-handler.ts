import { copyBytes } from '../copy-bytes.js';
import { ConnectionErrorCode, type DropReason } from '../failure.js';
import { MAX_FRAMES_PER_PACKET, PROTOCOL_VERSION } from './limits.js';
import type { PacketFate } from './packet-fate.js';
import type { ConnectionParts } from './parts.js';
import type { PeerBudgets } from './peer-budgets.js';
import type { FrameOutcome, StreamError } from './streams/stream-set.js';
import { END, type FrameReader, MALFORMED } from './wire/frame-reader.js';
import { FrameType, type Hello } from './wire/frames.js';

/** What became of a packet. `undefined` means that it was processed. `closedByPeer` has the error of the peer's CLOSE
 *  frame, and `failed` the error with which to close the connection. */
export type PacketOutcome =
  | undefined
  | { readonly dropped: DropReason }
  | { readonly closedByPeer: StreamError }
  | { readonly failed: StreamError };

const DUPLICATE: PacketOutcome = { dropped: 'duplicate-packet' };
/** Not acknowledged, so that the peer retransmits it (spec streams 4.6). */
const LATER: PacketOutcome = { dropped: 'reassembly-full' };

/** Handles the packets that arrive, one frame after the other (spec streams 1, 2).
 *
 *  Each frame is carried out at once, by the streams, by recovery or by the path. If a frame is not permitted, the rest
 *  of the packet is not processed, and the connection has to be closed.
 *
 *  The connection owns this object. The epoch of a packet has been judged before the packet is passed in. The object
 *  remembers the peer's HELLO, and a PATH_RESPONSE until it is taken. */
export class PacketHandler {
  readonly #parts: ConnectionParts;
  readonly #fate: PacketFate;
  readonly #budgets: PeerBudgets;
  #hello: Hello | undefined;
  #pathResponse: Uint8Array | undefined;
  #closedByPeer: StreamError | undefined;
  /** The current packet has had an effect on something other than streams (spec streams 2.5). */
  #hadEffect = false;

  constructor(parts: ConnectionParts, fate: PacketFate, budgets: PeerBudgets) {
    this.#parts = parts;
    this.#fate = fate;
    this.#budgets = budgets;
  }

  /** The peer's HELLO, once it has arrived. */
  get peerHello(): Hello | undefined {
    return this.#hello;
  }

  /** Takes the 8 bytes of the last PATH_RESPONSE, if one has arrived since the last call. */
  takePathResponse(): Uint8Array | undefined {
    const response = this.#pathResponse;
    this.#pathResponse = undefined;
    return response;
  }

  /** Handles a packet.
   *  @param reader is at the first frame. If that is a HELLO, its epoch has been accepted. */
  handle(now: number, packetNumber: number, reader: FrameReader): PacketOutcome {
    const { received, recovery, liveness, streams } = this.#parts;
    // A number that was seen before, or may have been (spec streams 1.2).
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
      // Limits on the work per packet (spec streams 2.3).
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
    // Packets without an effect are limited (spec streams 2.5).
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
      case FrameType.datagram:
        return streams.onDatagramFrame(frame);
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
        return undefined; // PING and …_BLOCKED need no action.
    }
  }

  #handleHello(now: number, hello: Hello): FrameOutcome {
    if (hello.version !== PROTOCOL_VERSION) {
      return { code: ConnectionErrorCode.version, reason: `version ${PROTOCOL_VERSION} is spoken here` };
    }
    if (hello.role === this.#parts.role) {
      return { code: ConnectionErrorCode.protocolViolation, reason: `both sides are a ${hello.role}` };
    }
    // Another HELLO of the same run says what the first one said.
    if (this.#hello !== undefined) return undefined;
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
