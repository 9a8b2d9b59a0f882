/** The client's side of a probe (docs/spec/probe.md). */
import { type Stream, StreamErrorCode } from '@underpass/protocol';
import { decodeStatus, encodeRequest, type RequestStatus } from '../request.js';
import type { Tunnel } from '../tunnel.js';
import { PROBE_CHUNK_BYTES } from './probe-limits.js';
import { decodeProbeReport, type ProbeReport } from './probe-report.js';

export interface ProbeOptions {
  /** How many bytes to send to the relay, and to receive from it. */
  readonly uploadBytes: number;
  readonly downloadBytes: number;
}

export type ProbeOutcome =
  | {
      readonly ok: true;
      readonly report: ProbeReport;
      /** From the request to the report, and from the report to the end of both directions. */
      readonly answerMs: number;
      readonly transferMs: number;
    }
  /** `connection-lost` if the connection to the relay ended or the probe was reset. */
  | { readonly ok: false; readonly reason: Exclude<RequestStatus, 'opened'> | 'connection-lost' };

const ZEROS = new Uint8Array(PROBE_CHUNK_BYTES);

/** Sends a probe on a new stream. Never rejects.
 *  @param signal  gives the probe up, as if its connection were lost */
export function openProbe(
  tunnel: Tunnel,
  stream: Stream,
  options: ProbeOptions,
  now: () => number,
  signal?: AbortSignal,
): Promise<ProbeOutcome> {
  return new Promise((resolve) => {
    const probe = new OpenProbe(tunnel, stream, options, now, (outcome) => {
      signal?.removeEventListener('abort', giveUp);
      resolve(outcome);
    });
    const giveUp = (): void => probe.giveUp();
    signal?.addEventListener('abort', giveUp);
    tunnel.attach(stream, probe);
    probe.start();
    if (signal?.aborted) giveUp();
  });
}

/** One probe under way. It writes its bytes as the stream takes them, reads status, report and bytes, and reports one
 *  outcome. */
class OpenProbe {
  readonly #tunnel: Tunnel;
  readonly #stream: Stream;
  readonly #now: () => number;
  readonly #report: (outcome: ProbeOutcome) => void;
  readonly #downloadBytes: number;
  readonly #startedAt: number;
  #toSendBytes: number;
  /** Status and report, until both are complete. */
  #head: Uint8Array = new Uint8Array(0);
  #answer: { readonly report: ProbeReport; readonly at: number } | undefined;
  #isOver = false;

  constructor(
    tunnel: Tunnel,
    stream: Stream,
    { uploadBytes, downloadBytes }: ProbeOptions,
    now: () => number,
    report: (outcome: ProbeOutcome) => void,
  ) {
    this.#tunnel = tunnel;
    this.#stream = stream;
    this.#toSendBytes = uploadBytes;
    this.#downloadBytes = downloadBytes;
    this.#now = now;
    this.#report = report;
    this.#startedAt = now();
  }

  start(): void {
    this.#stream.write(encodeRequest({ kind: 'probe', downloadBytes: this.#downloadBytes }));
    this.onWritable();
  }

  giveUp(): void {
    if (this.#isOver) return;
    this.#stream.reset(StreamErrorCode.cancelled);
    this.#stream.stopSending(StreamErrorCode.cancelled);
    this.#end({ ok: false, reason: 'connection-lost' });
  }

  onWritable(): void {
    if (this.#isOver) return;
    while (this.#toSendBytes > 0) {
      const chunk = ZEROS.subarray(0, Math.min(ZEROS.length, this.#toSendBytes));
      const taken = this.#stream.write(chunk);
      this.#toSendBytes -= taken;
      if (taken < chunk.length) break;
    }
    if (this.#toSendBytes === 0) this.#stream.finish();
    this.#tunnel.wake();
  }

  onReadable(): void {
    for (let chunk = this.#stream.read(); chunk !== undefined; chunk = this.#stream.read()) {
      if (this.#answer === undefined && !this.#isOver) this.#readHead(chunk);
    }
    if (this.#stream.readFinished && !this.#isOver) this.#onFin();
    this.#tunnel.wake();
  }

  onReset(): void {
    this.giveUp();
  }

  onClosed(): void {
    this.#end({ ok: false, reason: 'connection-lost' });
  }

  #readHead(chunk: Uint8Array): void {
    this.#head = Uint8Array.from([...this.#head, ...chunk.subarray(0, 1024)]);
    const status = decodeStatus(this.#head);
    if (!status.ok) return;
    if (status.value !== 'opened') {
      if (this.#toSendBytes > 0) this.#stream.reset(StreamErrorCode.refused);
      this.#end({ ok: false, reason: status.value });
      return;
    }
    const report = decodeProbeReport(this.#head.subarray(status.bytesRead));
    if (report.ok) this.#answer = { report: report.value, at: this.#now() };
  }

  #onFin(): void {
    const answer = this.#answer;
    if (answer === undefined) {
      this.#end({ ok: false, reason: 'internal-error' });
      return;
    }
    const { report, at } = answer;
    this.#end({ ok: true, report, answerMs: at - this.#startedAt, transferMs: this.#now() - at });
  }

  #end(outcome: ProbeOutcome): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#tunnel.wake();
    this.#report(outcome);
  }
}
