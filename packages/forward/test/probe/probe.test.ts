/** Both ends of a probe (docs/spec/probe.md), each with a stream whose other end is the test. */
import type { Stream } from '@underpass/protocol';
import type { StreamHandler } from '@underpass/runtime';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IncomingRequest } from '../../src/incoming-request.js';
import {
  MAX_PROBE_BYTES,
  MAX_PROBES_PER_PEER,
  PROBE_CHUNK_BYTES,
  PROBE_TIMEOUT_MS,
} from '../../src/probe/probe-limits.js';
import { openProbe, type ProbeOptions } from '../../src/probe/probe-opener.js';
import {
  decodeProbeReport,
  encodeProbeReport,
  MAX_REPORT_BYTES,
  type ProbeReport,
} from '../../src/probe/probe-report.js';
import { ProbeService, type SharedByProbes } from '../../src/probe/probe-service.js';
import { decodeRequest, encodeRequest, encodeStatus } from '../../src/request.js';
import { FakeStream } from '../fake-stream.js';
import { FakeTimers } from '../fake-timers.js';

const REPORT: ProbeReport = {
  clockMs: Date.UTC(2026, 10, 26),
  packetsSent: 5000,
  packetsLost: 7,
  address: '203.0.113.7:4242',
  name: 'laptop',
};

describe('the request of a probe (spec probe 1)', () => {
  it('is a kind and how much to download', () => {
    const bytes = encodeRequest({ kind: 'probe', downloadBytes: 0x01020304 >>> 2 });
    expect(bytes).toHaveLength(5);
    expect(decodeRequest(bytes)).toMatchObject({
      ok: true,
      value: { kind: 'probe', downloadBytes: 0x4080c1 },
    });
    for (let length = 0; length < bytes.length; length++) {
      expect(decodeRequest(bytes.subarray(0, length))).toEqual({ ok: false, reason: 'incomplete' });
    }
  });

  it('asks for at most 64 MiB (spec probe 1: "a download of more than 64 MiB as malformed")', () => {
    expect(MAX_PROBE_BYTES).toBe(64 * 1024 * 1024);
    const most = encodeRequest({ kind: 'probe', downloadBytes: MAX_PROBE_BYTES });
    expect(decodeRequest(most).ok).toBe(true);
    most[4] = 1;
    expect(decodeRequest(most)).toEqual({ ok: false, reason: 'malformed' });
    expect(() => encodeRequest({ kind: 'probe', downloadBytes: MAX_PROBE_BYTES + 1 })).toThrow(RangeError);
  });
});

describe('the report of a probe (spec probe 2)', () => {
  const text = fc.string({ unit: fc.constantFrom(...'abc019.:[]-_'), maxLength: 255 });
  const number = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

  it('decodes to what was encoded, is incomplete at every truncation, and never throws', () => {
    const report = fc.record({
      clockMs: number,
      packetsSent: number,
      packetsLost: number,
      address: text,
      name: text,
    });
    fc.assert(
      fc.property(report, fc.uint8Array(), (wanted, behind) => {
        const bytes = encodeProbeReport(wanted);
        expect(bytes.length).toBeLessThanOrEqual(MAX_REPORT_BYTES);
        const decoded = decodeProbeReport(Uint8Array.of(...bytes, ...behind));
        expect(decoded).toEqual({ ok: true, value: wanted, bytesRead: bytes.length });
        for (let length = 0; length < bytes.length; length += 5) {
          expect(decodeProbeReport(bytes.subarray(0, length)).ok).toBe(false);
        }
        decodeProbeReport(behind);
      }),
    );
  });

  it('shows nothing that a terminal would obey', () => {
    const bytes = encodeProbeReport({ ...REPORT, name: 'a\u001b[2J' });
    expect(decodeProbeReport(bytes)).toMatchObject({ value: { name: 'a?[2J' } });
    const edges = encodeProbeReport({ ...REPORT, name: '\u001f ~\u007f' });
    expect(decodeProbeReport(edges)).toMatchObject({ value: { name: '? ~?' } });
  });

  it('has whole numbers and texts of at most 255 bytes, whatever the relay is called', () => {
    const long = { address: 'a'.repeat(256), name: 'n'.repeat(300) };
    const bytes = encodeProbeReport({ ...REPORT, clockMs: 1.6, ...long });
    expect(bytes.length).toBe(MAX_REPORT_BYTES);
    expect(decodeProbeReport(bytes)).toMatchObject({
      value: { clockMs: 2, address: 'a'.repeat(255), name: 'n'.repeat(255) },
    });
    const foreign = decodeProbeReport(encodeProbeReport({ ...REPORT, name: 'Zoë' }));
    expect(foreign).toMatchObject({ value: { name: expect.stringMatching(/^Zo[ -~]$/) } });
  });

  it('is three numbers of eight bytes, and two texts with their lengths before them', () => {
    const bytes = encodeProbeReport({
      clockMs: 0x0102,
      packetsSent: 3,
      packetsLost: 4,
      address: 'ab',
      name: 'c',
    });
    expect([...bytes]).toEqual([
      ...[0, 0, 0, 0, 0, 0, 1, 2],
      ...[0, 0, 0, 0, 0, 0, 0, 3],
      ...[0, 0, 0, 0, 0, 0, 0, 4],
      ...[2, 97, 98],
      ...[1, 99],
    ]);
  });

  it('is read from within a larger buffer', () => {
    const bytes = encodeProbeReport(REPORT);
    const buffer = Uint8Array.of(1, 2, 3, ...bytes);
    expect(decodeProbeReport(buffer.subarray(3))).toEqual({
      ok: true,
      value: REPORT,
      bytesRead: bytes.length,
    });
  });
});

/** A relay that gets the request of a probe on a new stream. */
function serve(downloadBytes: number, shared: SharedByProbes & { readonly timers: FakeTimers }) {
  const stream = new FakeStream();
  const refused: string[] = [];
  const incoming = new IncomingRequest(stream, {
    tunnel: shared.tunnel,
    timers: shared.timers,
    serve: (_request, request) => new ProbeService(request, downloadBytes, shared),
    onDecided: () => undefined,
    onRefused: (_id, _request, status) => refused.push(status),
  });
  stream.arrive(encodeRequest({ kind: 'probe', downloadBytes }));
  incoming.start();
  return { stream, incoming, refused };
}

function shared() {
  const timers = new FakeTimers();
  const tunnel = { attach: () => undefined, wake: () => undefined };
  return { tunnel, timers, report: () => REPORT, underWay: 0 };
}

const head = (): Buffer => Buffer.concat([encodeStatus('opened'), encodeProbeReport(REPORT)]);

describe('the relay', () => {
  it('sends status, report and the bytes, and finishes behind the FIN of the opener (spec probe 2: "finish its direction before it has read the")', () => {
    const all = shared();
    const { stream, incoming } = serve(100_000, all);
    expect(stream.written.equals(Buffer.concat([head(), new Uint8Array(100_000)]))).toBe(true);
    expect(stream.finished).toBe(false);
    stream.arriveFin();
    incoming.onReadable();
    expect(stream.finished).toBe(true);
    expect(stream.resetCode).toBeUndefined();
    expect(all).toMatchObject({ underWay: 0 });
    expect(all.timers.pending).toBe(0);
  });

  it('reads what the opener sends (spec probe 2: "read and discard whatever the opener sends")', () => {
    const { stream, incoming } = serve(0, shared());
    stream.arrive(new Uint8Array(50_000));
    incoming.onReadable();
    expect(stream.bytesRead).toBe(50_000 + 5);
    expect(stream.finished).toBe(false);
  });

  it('goes on when a full stream has room again', () => {
    const all = shared();
    const stream = new FakeStream();
    stream.room = head().length + PROBE_CHUNK_BYTES + 10;
    const incoming = new IncomingRequest(stream, {
      ...all,
      serve: (_request, request) => new ProbeService(request, 2 * PROBE_CHUNK_BYTES, all),
      onDecided: () => undefined,
      onRefused: () => undefined,
    });
    stream.arrive(encodeRequest({ kind: 'probe', downloadBytes: 2 * PROBE_CHUNK_BYTES }));
    stream.arriveFin();
    incoming.start();
    expect(stream.finished).toBe(false);
    stream.room = Number.POSITIVE_INFINITY;
    incoming.onWritable();
    expect(stream.written.length).toBe(head().length + 2 * PROBE_CHUNK_BYTES);
    expect(stream.finished).toBe(true);
  });

  it('serves two probes of a peer at a time (spec probe 3: "refuse further ones with _too many streams_")', () => {
    const all = shared();
    const [first] = Array.from({ length: MAX_PROBES_PER_PEER }, () => serve(0, all));
    expect(MAX_PROBES_PER_PEER).toBe(2);
    expect(serve(0, all).refused).toEqual(['too-many-streams']);
    first?.incoming.onReset(0);
    expect(serve(0, all).refused).toEqual([]);
  });

  it('resets one that sends too much (spec probe 3: "sends it more than 64 MiB")', () => {
    const { stream, incoming } = serve(0, shared());
    const piece = new Uint8Array(8 * 1024 * 1024);
    for (let sent = 0; sent < MAX_PROBE_BYTES; sent += piece.length) {
      stream.arrive(piece);
      incoming.onReadable();
    }
    expect(stream.resetCode).toBeUndefined();
    stream.arrive(new Uint8Array(1));
    incoming.onReadable();
    expect(stream.resetCode).toBeDefined();
    expect(stream.stopCode).toBeDefined();
  });

  it('resets one that lasts too long (spec probe 3: "lasts longer than 60 s")', () => {
    const all = shared();
    const { stream } = serve(0, all);
    expect(PROBE_TIMEOUT_MS).toBe(60_000);
    all.timers.advance(PROBE_TIMEOUT_MS - 1);
    expect(stream.resetCode).toBeUndefined();
    all.timers.advance(1);
    expect(stream.resetCode).toBeDefined();
    expect(all.underWay).toBe(0);
  });

  it.each<[string, (incoming: IncomingRequest) => void]>([
    ['is reset', (incoming) => incoming.onReset(4)],
    ['closes', (incoming) => incoming.onClosed()],
  ])('gives back the place of a probe whose stream %s with its connection', (_how, end) => {
    const all = shared();
    const { incoming } = serve(0, all);
    end(incoming);
    incoming.onClosed();
    expect(all.underWay).toBe(0);
    expect(all.timers.pending).toBe(0);
  });
});

/** A client that has sent a probe, and the relay that the test plays. */
function open(options: ProbeOptions, signal?: AbortSignal) {
  const stream = new FakeStream();
  const timers = new FakeTimers();
  let handler: StreamHandler = {};
  const wakes = { count: 0 };
  const tunnel = {
    attach: (_stream: Stream, with_: StreamHandler) => {
      handler = with_;
    },
    wake: () => {
      wakes.count++;
    },
  };
  const outcome = openProbe(tunnel, stream, options, timers.now, signal);
  return { stream, timers, handler, outcome, wakes };
}

describe('the client', () => {
  it('sends the request and its bytes, then FIN, and measures the answer', async () => {
    const { stream, timers, handler, outcome } = open({ uploadBytes: 100_000, downloadBytes: 10 });
    const request = Buffer.from(encodeRequest({ kind: 'probe', downloadBytes: 10 }));
    expect(stream.written.equals(Buffer.concat([request, new Uint8Array(100_000)]))).toBe(true);
    expect(stream.finished).toBe(true);
    timers.advance(30);
    const answer = Buffer.concat([head(), new Uint8Array(10)]);
    stream.arrive(answer.subarray(0, 20)); // in two pieces
    handler.onReadable?.();
    stream.arrive(answer.subarray(20));
    handler.onReadable?.();
    timers.advance(100);
    stream.arriveFin();
    handler.onReadable?.();
    expect(await outcome).toEqual({ ok: true, report: REPORT, answerMs: 30, transferMs: 100 });
  });

  it('goes on when a full stream has room again', () => {
    const stream = new FakeStream();
    stream.room = 5 + 10;
    let handler: StreamHandler = {};
    const tunnel = {
      attach: (_stream: Stream, with_: StreamHandler) => {
        handler = with_;
      },
      wake: () => undefined,
    };
    void openProbe(tunnel, stream, { uploadBytes: 100, downloadBytes: 0 }, () => 0);
    expect(stream.finished).toBe(false);
    stream.room = 1000;
    handler.onWritable?.();
    expect(stream.written.length).toBe(5 + 100);
    expect(stream.finished).toBe(true);
  });

  it('reports a refusal, as of a relay that does not know probes', async () => {
    const { stream, handler, outcome } = open({ uploadBytes: 0, downloadBytes: 0 });
    stream.arrive(encodeStatus('malformed-request'));
    handler.onReadable?.();
    expect(await outcome).toEqual({ ok: false, reason: 'malformed-request' });
  });

  it('sends what ends the stream at once when it is given up', async () => {
    const controller = new AbortController();
    const { stream, outcome, wakes } = open({ uploadBytes: 0, downloadBytes: 0 }, controller.signal);
    const before = wakes.count;
    controller.abort();
    expect(await outcome).toMatchObject({ ok: false });
    expect(stream.resetCode ?? stream.stopCode).toBeDefined();
    expect(wakes.count).toBeGreaterThan(before);
  });

  it('reports an end without a report as a failure', async () => {
    const { stream, handler, outcome } = open({ uploadBytes: 0, downloadBytes: 0 });
    stream.arrive(head().subarray(0, 10));
    stream.arriveFin();
    handler.onReadable?.();
    expect(await outcome).toEqual({ ok: false, reason: 'internal-error' });
  });

  it('reports a reset', async () => {
    const { handler, outcome } = open({ uploadBytes: 0, downloadBytes: 0 });
    handler.onReset?.(4);
    expect(await outcome).toEqual({ ok: false, reason: 'connection-lost' });
  });

  it('gives up when it is told to, and resets the stream', async () => {
    const controller = new AbortController();
    const { stream, outcome } = open({ uploadBytes: 0, downloadBytes: 0 }, controller.signal);
    controller.abort();
    expect(await outcome).toEqual({ ok: false, reason: 'connection-lost' });
    expect(stream.resetCode).toBeDefined();
  });
});
