/** Which events of a stream reach the service of its request, and what remains of a request that was decided. */
import { StreamErrorCode } from '@underpass/protocol';
import { describe, expect, it } from 'vitest';
import { REQUEST_TIMEOUT_MS } from '../src/forward-constants.js';
import { IncomingRequest, type RequestService } from '../src/incoming-request.js';
import { encodeRequest, encodeStatus } from '../src/request.js';
import { FakeStream } from './fake-stream.js';
import { FakeTimers } from './fake-timers.js';

const REQUEST = encodeRequest({ kind: 'tcp', host: 'a.example', port: 80 });

function setUp(...arrived: Uint8Array[]) {
  const timers = new FakeTimers();
  const stream = new FakeStream(4);
  for (const bytes of arrived) stream.arrive(bytes);
  const heard: unknown[][] = [];
  const note =
    (what: string) =>
    (...details: unknown[]) => {
      heard.push([what, ...details]);
    };
  const service: RequestService = {
    start: note('start'),
    cancel: note('cancel'),
    onReadable: note('readable'),
    onWritable: note('writable'),
    onDatagrams: note('datagrams'),
    onStopped: note('stopped'),
    onReset: note('reset'),
    onClosed: note('closed'),
  };
  const request = new IncomingRequest(stream, {
    tunnel: { attach: () => {}, wake: note('wake') },
    timers,
    serve: () => service,
    onDecided: note('decided'),
    onRefused: note('refused'),
  });
  const take = () => heard.splice(0);
  return { timers, stream, request, take };
}

/** Every event of a stream that says nothing about its end. */
function allEvents(request: IncomingRequest): void {
  request.onReadable();
  request.onWritable();
  request.onDatagrams();
  request.onStopped(7);
}

describe('a request', () => {
  it('keeps all events of its stream from its service until it is opened', () => {
    const { request, take } = setUp(REQUEST);
    request.start();
    expect(take()).toEqual([['start']]);
    allEvents(request);
    expect(take()).toEqual([]);
    expect([request.isStopped, request.isDecided]).toEqual([true, false]);
  });

  it('passes on all events once it is opened', () => {
    const { request, take, stream, timers } = setUp(REQUEST);
    request.start();
    take();
    request.open();
    expect(take()).toEqual([['decided']]);
    expect([...stream.written]).toEqual([...encodeStatus('opened')]);
    allEvents(request);
    request.onReset(8);
    request.onClosed();
    expect(take()).toEqual([
      ['readable'],
      ['writable'],
      ['datagrams'],
      ['stopped', 7],
      ['reset', 8],
      ['closed'],
    ]);
    expect([stream.resetCode, timers.pending]).toEqual([undefined, 0]);
  });

  it('passes on nothing once it is refused, and tells both sides (spec forwarding 2.6)', () => {
    const { request, take, stream, timers } = setUp(REQUEST);
    request.start();
    take();
    request.refuse('unreachable', 'why');
    expect(take()).toEqual([
      ['cancel'],
      ['decided'],
      ['refused', 4, { kind: 'tcp', host: 'a.example', port: 80 }, 'unreachable', 'why'],
      ['wake'],
    ]);
    expect([...stream.written]).toEqual([...encodeStatus('unreachable')]);
    expect([stream.finished, stream.stopCode]).toEqual([true, StreamErrorCode.refused]);
    allEvents(request);
    request.onReset(8);
    request.onClosed();
    expect(take()).toEqual([]);
    expect([stream.resetCode, timers.pending]).toEqual([undefined, 0]);
  });

  it.each([
    ['is reset', (request: IncomingRequest) => request.onReset(8)],
    ['is closed', (request: IncomingRequest) => request.onClosed()],
  ])('is abandoned if its stream %s before it is decided', (_what, end) => {
    const { request, take, stream, timers } = setUp(REQUEST);
    request.start();
    take();
    end(request);
    expect(take()).toEqual([['cancel'], ['decided'], ['wake']]);
    expect([stream.resetCode, stream.written.length]).toEqual([StreamErrorCode.cancelled, 0]);
    request.onClosed();
    expect(take()).toEqual([]);
    expect([request.isDecided, timers.pending]).toEqual([true, 0]);
  });

  it('is abandoned if its stream ends before it is complete, and waits for nothing then', () => {
    const { request, take, timers } = setUp(REQUEST.subarray(0, 3));
    request.start();
    expect(timers.delaysMs).toEqual([REQUEST_TIMEOUT_MS]);
    request.onReset(8);
    expect(take()).toEqual([['decided'], ['wake']]);
    expect(timers.pending).toBe(0);
  });

  it('has the bytes behind it until it is opened, behind those that are put before them', () => {
    const { request } = setUp(REQUEST, Uint8Array.of(1, 2));
    request.start();
    expect([...request.firstBytes]).toEqual([1, 2]);
    request.prepend(Uint8Array.of(9));
    expect([...request.firstBytes]).toEqual([9, 1, 2]);
    request.open();
    expect([...request.firstBytes]).toEqual([]);
  });

  it('needs no timer if it is there at once', () => {
    const { request, timers } = setUp(REQUEST);
    request.start();
    expect(timers.delaysMs).toEqual([]);
  });

  it('may arrive in pieces, within a limited time that ends when it is there', () => {
    const { request, stream, timers, take } = setUp(REQUEST.subarray(0, 3));
    request.start();
    stream.arrive(REQUEST.subarray(3, 5));
    request.onReadable();
    expect([take(), timers.pending]).toEqual([[], 1]);
    stream.arrive(REQUEST.subarray(5));
    request.onReadable();
    expect([take(), timers.pending]).toEqual([[['start']], 0]);
  });

  it('that does not arrive in time is refused, once', () => {
    const { request, stream, timers, take } = setUp(REQUEST.subarray(0, 3));
    request.start();
    timers.advance(REQUEST_TIMEOUT_MS - 1);
    expect(take()).toEqual([]);
    timers.advance(1);
    const why = 'the request was not complete within 10 s';
    const refused = ['refused', 4, undefined, 'malformed-request', why];
    expect(take()).toEqual([['decided'], refused, ['wake']]);
    stream.arrive(REQUEST.subarray(3));
    request.onReadable();
    request.onClosed();
    expect([take(), timers.pending]).toEqual([[], 0]);
    expect([...stream.written]).toEqual([...encodeStatus('malformed-request')]);
  });

  it.each<[string, Uint8Array, boolean, string]>([
    ['is nonsense', Uint8Array.of(0xff), false, 'the request could not be read'],
    ['ends too soon', REQUEST.subarray(0, 3), true, 'the stream ended before the request was complete'],
    ['is empty', new Uint8Array(), true, 'the stream ended before the request was complete'],
  ])('that %s is refused at once, and nothing behind it is read', (_, bytes, isFinished, why) => {
    const { request, stream, timers, take } = setUp(bytes);
    if (isFinished) stream.arriveFin();
    request.start();
    const refused = ['refused', 4, undefined, 'malformed-request', why];
    expect(take()).toEqual([['decided'], refused, ['wake']]);
    expect([timers.delaysMs, [...stream.written]]).toEqual([[], [...encodeStatus('malformed-request')]]);
    stream.arrive(REQUEST);
    request.onReadable();
    expect([take(), stream.written.length]).toEqual([[], 1]);
  });

  it('that its service decides is decided once', () => {
    const { request, take } = setUp(REQUEST);
    request.start();
    request.open();
    request.refuse('internal-error', 'late');
    expect(take().filter(([what]) => what === 'decided')).toHaveLength(1);
  });
});
