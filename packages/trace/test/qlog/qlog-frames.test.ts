/** Each type of frame in the terms of qlog's QUIC events. */
import { FrameType } from '@underpass/protocol';
import { describe, expect, it } from 'vitest';
import { qlogFrames } from '../../src/qlog/qlog-frames.js';

function logged(...frames: number[]) {
  return qlogFrames(Uint8Array.from([0xff, ...frames, 0xff]), 1, 1 + frames.length);
}

describe('a frame in a qlog', () => {
  it.each([
    [[0x01], { frame_type: 'ping' }],
    [[0x04, 5, 1, 9], { frame_type: 'reset_stream', stream_id: 5, error_code: 1, final_size: 9 }],
    [[0x05, 5, 2], { frame_type: 'stop_sending', stream_id: 5, error_code: 2 }],
    [[0x08, 4, 10, 1, 0x61], { frame_type: 'stream', stream_id: 4, offset: 10, length: 1, fin: false }],
    [[0x09, 4, 10, 1, 0x61], { frame_type: 'stream', stream_id: 4, offset: 10, length: 1, fin: true }],
    [[0x10, 20], { frame_type: 'max_data', maximum: 20 }],
    [[0x11, 4, 20], { frame_type: 'max_stream_data', stream_id: 4, maximum: 20 }],
    [[0x12, 20], { frame_type: 'max_streams', stream_type: 'bidirectional', maximum: 20 }],
    [[0x14, 20], { frame_type: 'data_blocked', limit: 20 }],
    [[0x15, 4, 20], { frame_type: 'stream_data_blocked', stream_id: 4, limit: 20 }],
    [[0x16, 20], { frame_type: 'streams_blocked', stream_type: 'bidirectional', limit: 20 }],
    [[0x1a, 1, 2, 3, 4, 5, 6, 7, 8], { frame_type: 'path_challenge', data: '0102030405060708' }],
    [[0x1b, 1, 2, 3, 4, 5, 6, 7, 8], { frame_type: 'path_response', data: '0102030405060708' }],
    [[0x30, 4, 2, 1, 2], { frame_type: 'datagram', length: 2 }],
  ])('%j asks for an acknowledgement', (frame, expected) => {
    expect(logged(...frame)).toEqual({ frames: [expected], acked: [], isAckEliciting: true });
  });

  it('CLOSE asks for none', () => {
    const frames = [
      { frame_type: 'connection_close', error_space: 'transport', error_code: 15, reason: 'ab' },
    ];
    expect(logged(FrameType.close, 15, 2, 0x61, 0x62)).toEqual({ frames, acked: [], isAckEliciting: false });
  });

  it('ACK asks for none, and has its ranges from the lowest to the highest, and its delay in ms', () => {
    const acked = [
      [3, 4],
      [9, 9],
    ];
    const frames = [{ frame_type: 'ack', ack_delay: 0.4, acked_ranges: acked }];
    expect(logged(FrameType.ack, 9, 50, 1, 0, 3, 1)).toEqual({ frames, acked, isAckEliciting: false });
  });

  it('is logged with all before it, up to one that cannot be parsed', () => {
    const { frames, isAckEliciting } = logged(
      ...[FrameType.ack, 9, 50, 0, 0],
      ...[FrameType.close, 0, 0],
      0x3f,
      1,
    );
    expect(frames.map(({ frame_type }) => frame_type)).toEqual(['ack', 'connection_close']);
    expect(isAckEliciting).toBe(false);
  });
});
