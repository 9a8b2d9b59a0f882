import { describe, expect, it } from 'vitest';
import { PendingFrames } from '../../src/transport/pending-frames.js';
import { StreamControl } from '../../src/transport/streams/frame-requests.js';
import type { ConnectionStream } from '../../src/transport/streams/stream.js';
import { makeStreamSet } from './streams/make-stream-set.js';

function setup() {
  const pending = new PendingFrames();
  const streams = makeStreamSet('client', { requests: pending });
  return { pending, streams, stream: streams.open() as ConnectionStream };
}

function due(pending: PendingFrames, stream: ConnectionStream): string[] {
  return Object.entries(StreamControl)
    .filter(([, frame]) => pending.isControlDue(stream, frame))
    .map(([name]) => name);
}

describe('PendingFrames', () => {
  it('has nothing to send once every request is written or withdrawn', () => {
    const { pending, stream } = setup();
    expect(pending.isWaiting).toBe(false);
    pending.requestControl(stream, StreamControl.reset);
    pending.requestControl(stream, StreamControl.stop);
    pending.requestControl(stream, StreamControl.stop);
    expect(due(pending, stream)).toEqual(['reset', 'stop']);
    pending.withdrawControl(stream, StreamControl.reset);
    pending.withdrawControl(stream, StreamControl.maxStreamData);
    expect(due(pending, stream)).toEqual(['stop']);
    expect(pending.isWaiting).toBe(true);
    pending.withdrawControl(stream, StreamControl.stop);
    expect(pending.isWaiting).toBe(false);
  });

  it('keeps the order in which streams made their requests', () => {
    const { pending, streams, stream } = setup();
    const second = streams.open() as ConnectionStream;
    pending.requestControl(stream, StreamControl.stop);
    pending.requestControl(second, StreamControl.stop);
    pending.requestControl(stream, StreamControl.reset);
    expect([...pending.streamsWithControl()]).toEqual([stream, second]);
  });

  it('answers only the last three challenges (spec streams 2.4)', () => {
    const { pending } = setup();
    for (let n = 0; n < 5; n++) pending.respond(new Uint8Array(8).fill(n));
    const answered: number[] = [];
    for (; pending.nextResponse !== undefined; pending.responseSent()) {
      answered.push(pending.nextResponse[0] as number);
    }
    expect(answered).toEqual([2, 3, 4]);
    expect(pending.isWaiting).toBe(false);
  });

  it('answers with the bytes of the challenge, although its datagram is used again', () => {
    const { pending } = setup();
    const datagram = new Uint8Array(8).fill(7);
    pending.respond(datagram);
    datagram.fill(0);
    expect(pending.nextResponse).toEqual(new Uint8Array(8).fill(7));
  });

  it('has a challenge until it was sent or its trial is over', () => {
    const { pending } = setup();
    pending.requestChallenge(new Uint8Array(8).fill(7));
    expect(pending.challenge).toEqual(new Uint8Array(8).fill(7));
    expect(pending.isUrgent).toBe(true);
    pending.endChallenge();
    expect(pending.challenge).toBeUndefined();
    expect(pending.isUrgent).toBe(false);
  });
});

describe('the requests of a stream', () => {
  it('for RESET_STREAM and STOP_SENDING are repeated after a loss until they no longer matter (spec streams 4.4, 4.5)', () => {
    const { pending, streams, stream } = setup();
    stream.write(new Uint8Array(10));
    stream.reset(1);
    stream.stopSending(2);
    expect(due(pending, stream)).toEqual(['reset', 'stop']);
    for (const frame of Object.values(StreamControl)) pending.withdrawControl(stream, frame);
    streams.onResetLost(stream.id);
    streams.onStopLost(stream.id);
    expect(due(pending, stream)).toEqual(['reset', 'stop']);
    streams.onResetStream(stream.id, 0, 0);
    expect(due(pending, stream)).toEqual(['reset']);
    streams.onResetAcknowledged(stream.id);
    streams.onResetLost(stream.id);
    streams.onStopLost(stream.id);
    expect(pending.isWaiting).toBe(false);
  });

  it('are forgotten when the connection ends', () => {
    const { pending, streams, stream } = setup();
    stream.reset(1);
    streams.loseAll();
    expect(pending.isWaiting).toBe(false);
  });
});
