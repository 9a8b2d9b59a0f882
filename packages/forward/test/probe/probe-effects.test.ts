/** The effects of a probe: its counts, what it sends at once, and what is left when it ends. */
import { getEventListeners } from 'node:events';
import type { Stream } from '@underpass/protocol';
import { StreamErrorCode } from '@underpass/protocol';
import type { StreamHandler } from '@underpass/runtime';
import { describe, expect, it } from 'vitest';
import { IncomingRequest } from '../../src/incoming-request.js';
import { MAX_PROBE_BYTES, MAX_PROBES_PER_PEER, PROBE_TIMEOUT_MS } from '../../src/probe/probe-limits.js';
import { openProbe, type ProbeOutcome } from '../../src/probe/probe-opener.js';
import { encodeProbeReport } from '../../src/probe/probe-report.js';
import { ProbeService } from '../../src/probe/probe-service.js';
import { RateLimit } from '../../src/rate-limit.js';
import { encodeRequest, encodeStatus } from '../../src/request.js';
import { FakeStream } from '../fake-stream.js';
import { FakeTimers } from '../fake-timers.js';

const REPORT = { clockMs: 1, packetsSent: 2, packetsLost: 3, address: '192.0.2.7:1', name: 'laptop' };
const HEAD_BYTES = 1 + encodeProbeReport(REPORT).length;
const REQUEST_BYTES = 5;

/** A relay that serves one probe, whose opener is the test. */
function serve(downloadBytes: number, { bytesPerSecond, underWay = 0, behind = 0 }: Partial<Setup> = {}) {
  const timers = new FakeTimers();
  const limit = new RateLimit({ timers, now: timers.now });
  limit.set(bytesPerSecond);
  const stream = new FakeStream();
  const refused: string[] = [];
  let wakes = 0;
  const shared = {
    tunnel: { attach: () => undefined, wake: () => void wakes++ },
    timers,
    limit,
    report: () => REPORT,
    underWay,
  };
  const incoming = new IncomingRequest(stream, {
    ...shared,
    serve: (_request, request) => new ProbeService(request, downloadBytes, shared),
    onDecided: () => undefined,
    onRefused: (_id, _request, status, advice) => refused.push(`${status}: ${advice}`),
  });
  stream.arrive(Buffer.concat([encodeRequest({ kind: 'probe', downloadBytes }), new Uint8Array(behind)]));
  const start = () => incoming.start();
  const takeWakes = () => {
    const count = wakes;
    wakes = 0;
    return count;
  };
  return { stream, incoming, timers, limit, shared, refused, start, takeWakes };
}

interface Setup {
  readonly bytesPerSecond: number;
  readonly underWay: number;
  /** How many bytes come with the request. */
  readonly behind: number;
}

describe('a probe at the relay', () => {
  it('beyond the limit is refused with a reason, and takes no place', () => {
    const { start, refused, shared, timers, incoming } = serve(0, { underWay: MAX_PROBES_PER_PEER });
    start();
    incoming.onClosed();
    expect(refused).toEqual(['too-many-streams: 2 probes are under way']);
    expect([shared.underWay, timers.pending]).toEqual([MAX_PROBES_PER_PEER, 0]);
  });

  it('counts among the bytes that it may read those that came with the request (spec probe 3)', () => {
    const { start, stream, incoming } = serve(0, { behind: 1000 });
    start();
    const pieces = [new Uint8Array(MAX_PROBE_BYTES - 1000)];
    const read = stream.read.bind(stream);
    stream.read = () => pieces.pop() ?? read(); // without a copy of so much
    incoming.onReadable();
    expect(stream.resetCode).toBeUndefined();
    stream.arrive(new Uint8Array(1));
    incoming.onReadable();
    expect(stream.resetCode).toBe(StreamErrorCode.cancelled);
  });

  it.each([
    ['before it is served', true],
    ['while it is', false],
  ])(
    'sends nothing more to an opener that stops reading %s, and finishes behind its FIN',
    (_when, isEarly) => {
      const { start, stream, incoming, shared } = serve(100_000);
      stream.room = HEAD_BYTES;
      if (isEarly) incoming.onStopped(0);
      start();
      if (!isEarly) incoming.onStopped(0);
      stream.room = 1_000_000;
      incoming.onWritable();
      expect([stream.written.length, stream.finished]).toEqual([HEAD_BYTES, false]);
      stream.arriveFin();
      incoming.onReadable();
      expect([stream.finished, shared.underWay]).toEqual([true, 0]);
    },
  );

  it('finishes when its last bytes find room, although the opener has long finished (spec probe 2)', () => {
    const { start, stream, incoming, shared } = serve(1000);
    stream.arriveFin();
    stream.room = HEAD_BYTES + 400;
    start();
    expect([stream.finished, shared.underWay]).toEqual([false, 1]);
    stream.room = 1000;
    incoming.onWritable();
    expect([stream.written.length, stream.finished, shared.underWay]).toEqual([HEAD_BYTES + 1000, true, 0]);
  });

  it('finishes at once if the opener has finished behind its request', () => {
    const { start, stream, shared } = serve(1000);
    stream.arriveFin();
    start();
    expect([stream.finished, shared.underWay]).toEqual([true, 0]);
  });

  it('wakes the driver for what it sends, for the credit of what it reads, and at its end', () => {
    const { start, stream, incoming, takeWakes, timers } = serve(10);
    start();
    expect(takeWakes()).toBeGreaterThan(0);
    stream.arrive('x');
    incoming.onReadable();
    expect(takeWakes()).toBe(1);
    timers.advance(PROBE_TIMEOUT_MS);
    expect([takeWakes(), stream.resetCode]).toEqual([1, StreamErrorCode.cancelled]);
    incoming.onReset(0);
    incoming.onClosed();
    expect(takeWakes()).toBe(0);
  });

  // spec forwarding 4.8
  it('carries no more than the rate of its peer in each direction, and goes on by itself', () => {
    const { start, stream, incoming, timers } = serve(200_000, { bytesPerSecond: 100_000 });
    start();
    // A bucket of 20 kB, and the chunk that overdraws it.
    expect(stream.written.length).toBe(HEAD_BYTES + 64 * 1024);
    for (let n = 0; n < 4; n++) stream.arrive(new Uint8Array(15_000));
    incoming.onReadable();
    expect(stream.bytesRead).toBe(REQUEST_BYTES + 30_000);
    timers.advance(200);
    expect(stream.bytesRead).toBe(REQUEST_BYTES + 45_000);
    timers.advance(2000);
    expect([stream.written.length, stream.bytesRead]).toEqual([HEAD_BYTES + 200_000, REQUEST_BYTES + 60_000]);
    stream.arriveFin();
    incoming.onReadable();
    timers.advance(1000);
    expect([stream.finished, timers.pending]).toEqual([true, 0]);
  });

  it('finishes by itself when the last bytes have had their turn', () => {
    const { start, stream, timers, shared, takeWakes } = serve(100_000, { bytesPerSecond: 100_000 });
    stream.arriveFin();
    const finish = stream.finish.bind(stream);
    stream.finish = () => {
      finish();
      takeWakes();
    };
    start();
    expect([stream.finished, shared.underWay]).toEqual([false, 1]);
    timers.advance(2000);
    expect(takeWakes()).toBeGreaterThan(0);
    expect([stream.written.length, stream.finished]).toEqual([HEAD_BYTES + 100_000, true]);
    expect([shared.underWay, timers.pending]).toEqual([0, 0]);
  });

  it('uses no more of the rate of its peer than the stream has taken', () => {
    const { start, stream, limit } = serve(100_000, { bytesPerSecond: 100_000 });
    stream.room = HEAD_BYTES + 1000;
    start();
    expect(stream.written.length).toBe(HEAD_BYTES + 1000);
    expect(limit.toPeer.admits({ onTurn: () => undefined })).toBe(true);
  });

  it('leaves its turns to others when it ends', () => {
    const { start, incoming, timers, limit, stream } = serve(200_000, { bytesPerSecond: 100_000 });
    limit.fromPeer.take(64 * 1024); // as much as it sends at once
    start();
    incoming.onReset(0);
    expect(stream.resetCode).toBe(StreamErrorCode.cancelled);
    // The debts are paid, but nobody was woken yet.
    timers.advance(458);
    const other = { onTurn: () => undefined };
    expect([limit.toPeer.admits(other), limit.fromPeer.admits(other)]).toEqual([true, true]);
  });
});

/** A client with a probe, and the relay that the test plays. */
function open(uploadBytes: number, { room = Number.POSITIVE_INFINITY, signal }: Partial<OpenSetup> = {}) {
  const stream = new FakeStream();
  stream.room = room;
  const timers = new FakeTimers();
  timers.advance(1000); // the process has run for a while
  const outcomes: ProbeOutcome[] = [];
  let handler: StreamHandler = {};
  let wakes = 0;
  const tunnel = {
    attach: (_stream: Stream, attached: StreamHandler) => {
      handler = attached;
    },
    wake: () => void wakes++,
  };
  const probe = openProbe(tunnel, stream, { uploadBytes, downloadBytes: 0 }, timers.now, signal);
  void probe.then((outcome) => outcomes.push(outcome));
  const arrive = (bytes: Uint8Array) => {
    stream.arrive(bytes);
    handler.onReadable?.();
  };
  return { stream, timers, outcomes, probe, handler: () => handler, arrive, wakes: () => wakes };
}

interface OpenSetup {
  readonly room: number;
  readonly signal: AbortSignal;
}

describe('a probe of the client', () => {
  it.each([
    ['some of its bytes wait', 10, StreamErrorCode.refused, false],
    ['it has sent everything', Number.POSITIVE_INFINITY, undefined, true],
  ])('that is refused while %s ends its direction', async (_what, room, resetCode, isFinished) => {
    const { stream, probe, arrive, handler, wakes } = open(100, { room });
    const before = wakes();
    arrive(encodeStatus('too-many-streams'));
    expect(await probe).toEqual({ ok: false, reason: 'too-many-streams' });
    expect([stream.resetCode, stream.finished, wakes() > before]).toEqual([resetCode, isFinished, true]);
    stream.room = 1000;
    handler().onWritable?.();
    expect(stream.written.length).toBe(Math.min(room, REQUEST_BYTES + 100));
  });

  it('has one outcome, whatever follows it, and reads on so that nothing is held up', async () => {
    const abort = new AbortController();
    const { stream, probe, outcomes, arrive, handler } = open(0, { signal: abort.signal });
    arrive(encodeStatus('not-allowed'));
    await probe;
    arrive(new Uint8Array(5000));
    expect(stream.bytesRead).toBe(5001);
    abort.abort();
    handler().onReset?.(0);
    handler().onClosed?.();
    expect([outcomes, stream.resetCode]).toEqual([[{ ok: false, reason: 'not-allowed' }], undefined]);
  });

  it('is lost when its stream closes without an answer', async () => {
    const { probe, handler } = open(0);
    handler().onClosed?.();
    expect(await probe).toEqual({ ok: false, reason: 'connection-lost' });
  });

  it('that was given up before it began is reset at once', async () => {
    const { probe, stream } = open(10, { signal: AbortSignal.abort() });
    expect(await probe).toEqual({ ok: false, reason: 'connection-lost' });
    expect([stream.resetCode, stream.stopCode]).toEqual([
      StreamErrorCode.cancelled,
      StreamErrorCode.cancelled,
    ]);
  });

  it('leaves nothing at its signal when it is over', async () => {
    const { signal } = new AbortController();
    const { probe, arrive } = open(10, { signal });
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    arrive(encodeStatus('too-many-streams'));
    await probe;
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('measures the transfer from the report on, however the report is split', async () => {
    const { probe, arrive, timers, stream, handler } = open(0);
    const answer = Buffer.concat([encodeStatus('opened'), encodeProbeReport(REPORT), new Uint8Array(3000)]);
    for (const [start, end] of [
      [0, 1],
      [1, HEAD_BYTES - 1],
      [HEAD_BYTES - 1, 3000],
      [3000, answer.length],
    ]) {
      timers.advance(10);
      arrive(answer.subarray(start, end));
    }
    stream.arriveFin();
    timers.advance(5);
    handler().onReadable?.();
    expect(await probe).toEqual({ ok: true, report: REPORT, answerMs: 30, transferMs: 15 });
  });
});
