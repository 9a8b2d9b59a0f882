/** Underpass frames in the terms of qlog's QUIC events (draft-ietf-quic-qlog-quic-events). */
import { ACK_DELAY_UNITS_PER_MS, END, FrameReader, FrameType, MALFORMED } from '@underpass/protocol';
import { hex } from '../dissect/words.js';

export type QlogFrame = Readonly<Record<string, unknown>> & { readonly frame_type: string };

/** Packet numbers, both ends included. */
export type AckedRange = readonly [low: number, high: number];

export interface QlogPacket {
  readonly frames: readonly QlogFrame[];
  /** What its ACK acknowledges. */
  readonly acked: readonly AckedRange[];
  readonly isAckEliciting: boolean;
}

/** Reads the frames between `start` and `end`, as far as they can be parsed. */
export function qlogFrames(bytes: Uint8Array, start: number, end: number): QlogPacket {
  const reader = new FrameReader();
  reader.begin(bytes, start, end);
  const frames: QlogFrame[] = [];
  let acked: AckedRange[] = [];
  let isAckEliciting = false;
  for (let type = reader.next(); type !== END && type !== MALFORMED; type = reader.next()) {
    if (type === FrameType.ack) acked = ackedRanges(reader);
    else if (type !== FrameType.close) isAckEliciting = true;
    frames.push(qlogFrame(type as FrameType, reader, acked));
  }
  return { frames, acked, isAckEliciting };
}

function qlogFrame(type: FrameType, reader: FrameReader, acked: readonly AckedRange[]): QlogFrame {
  const { streamId: stream_id, limit } = reader;
  switch (type) {
    case FrameType.ack:
      return {
        frame_type: 'ack',
        ack_delay: reader.ackDelayUnits / ACK_DELAY_UNITS_PER_MS,
        acked_ranges: acked,
      };
    case FrameType.stream:
    case FrameType.streamFin:
      return {
        frame_type: 'stream',
        stream_id,
        offset: reader.offset,
        length: reader.dataLength,
        fin: type === FrameType.streamFin,
      };
    case FrameType.resetStream:
      return { frame_type: 'reset_stream', stream_id, error_code: reader.code, final_size: limit };
    case FrameType.stopSending:
      return { frame_type: 'stop_sending', stream_id, error_code: reader.code };
    case FrameType.maxData:
      return { frame_type: 'max_data', maximum: limit };
    case FrameType.maxStreamData:
      return { frame_type: 'max_stream_data', stream_id, maximum: limit };
    case FrameType.maxStreams:
      return { frame_type: 'max_streams', stream_type: 'bidirectional', maximum: limit };
    case FrameType.dataBlocked:
      return { frame_type: 'data_blocked', limit };
    case FrameType.streamDataBlocked:
      return { frame_type: 'stream_data_blocked', stream_id, limit };
    case FrameType.streamsBlocked:
      return { frame_type: 'streams_blocked', stream_type: 'bidirectional', limit };
    case FrameType.pathChallenge:
    case FrameType.pathResponse: {
      const data = hex(reader.bytes.subarray(reader.dataStart, reader.dataStart + reader.dataLength));
      return { frame_type: type === FrameType.pathChallenge ? 'path_challenge' : 'path_response', data };
    }
    case FrameType.close:
      return {
        frame_type: 'connection_close',
        error_space: 'transport',
        error_code: reader.code,
        reason: reader.closeReason,
      };
    case FrameType.datagram:
      return { frame_type: 'datagram', length: reader.dataLength };
    case FrameType.ping:
      return { frame_type: 'ping' };
    default: // HELLO: QUIC has no such frame
      return { frame_type: 'unknown', frame_type_bytes: type, raw_frame_type: type };
  }
}

/** From the lowest numbers to the highest. */
function ackedRanges(reader: FrameReader): AckedRange[] {
  const ranges = Array.from(
    { length: reader.rangeCount },
    (_, i): AckedRange => [reader.rangeLow[i] as number, reader.rangeHigh[i] as number],
  );
  return ranges.reverse();
}
