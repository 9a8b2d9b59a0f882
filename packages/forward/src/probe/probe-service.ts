/** The relay's side of a probe (docs/spec/probe.md). */
import { StreamErrorCode } from '@underpass/protocol';
import type { Timers } from '@underpass/runtime';
import type { IncomingRequest, RequestService } from '../incoming-request.js';
import type { RateLimit } from '../rate-limit.js';
import type { Tunnel } from '../tunnel.js';
import { MAX_PROBE_BYTES, MAX_PROBES_PER_PEER, PROBE_CHUNK_BYTES, PROBE_TIMEOUT_MS } from './probe-limits.js';
import { encodeProbeReport, type ProbeReport } from './probe-report.js';

/** The probes of one peer share this. */
export interface SharedByProbes {
  readonly tunnel: Tunnel;
  readonly timers: Timers;
  /** That of the peer; by default there is none. */
  readonly limit?: RateLimit | undefined;
  /** What the relay knows about the peer now. */
  readonly report: () => ProbeReport;
  /** How many are served. */
  underWay: number;
}

const ZEROS = new Uint8Array(PROBE_CHUNK_BYTES);

/** Answers a probe: sends the report and the bytes that were asked for, and discards what arrives. It finishes when both
 *  directions are done, and resets the stream when a limit is reached. It contacts nobody. */
export class ProbeService implements RequestService {
  readonly #request: IncomingRequest;
  readonly #shared: SharedByProbes;
  readonly #sendingTurn = { onTurn: () => this.onWritable() };
  readonly #receivingTurn = { onTurn: () => this.onReadable() };
  #toSendBytes: number;
  #receivedBytes = 0;
  #isStopped = false;
  #timer: object | undefined;
  #isOver = false;

  constructor(request: IncomingRequest, downloadBytes: number, shared: SharedByProbes) {
    this.#request = request;
    this.#toSendBytes = downloadBytes;
    this.#shared = shared;
  }

  start(): void {
    const shared = this.#shared;
    if (shared.underWay >= MAX_PROBES_PER_PEER) {
      this.#isOver = true;
      const why = `${MAX_PROBES_PER_PEER} probes are under way`;
      this.#request.refuse('too-many-streams', why);
      return;
    }
    shared.underWay++;
    this.#timer = shared.timers.set(() => this.#abort(), PROBE_TIMEOUT_MS);
    const { firstBytes, isStopped } = this.#request;
    this.#request.open();
    this.#receivedBytes = firstBytes.length;
    this.#isStopped = isStopped;
    this.#request.stream.write(encodeProbeReport(shared.report()));
    this.#send();
    this.onReadable();
  }

  cancel(): void {
    this.#end();
  }

  onReadable(): void {
    const { stream } = this.#request;
    const allowance = this.#shared.limit?.fromPeer;
    while (allowance?.admits(this.#receivingTurn) ?? true) {
      const chunk = stream.read();
      if (chunk === undefined) break;
      allowance?.take(chunk.length);
      this.#receivedBytes += chunk.length;
      if (this.#receivedBytes > MAX_PROBE_BYTES) {
        this.#abort();
        return;
      }
    }
    this.#finishIfDone();
    this.#shared.tunnel.wake(); // reading gave the sender credit
  }

  onWritable(): void {
    this.#send();
    this.#finishIfDone();
  }

  onStopped(): void {
    this.#isStopped = true;
    this.#finishIfDone();
  }

  onReset(): void {
    this.#abort();
  }

  onClosed(): void {
    this.#end();
  }

  #send(): void {
    const allowance = this.#shared.limit?.toPeer;
    while (!this.#isStopped && this.#toSendBytes > 0) {
      if (allowance?.admits(this.#sendingTurn) === false) break;
      const chunk = ZEROS.subarray(0, Math.min(ZEROS.length, this.#toSendBytes));
      const taken = this.#request.stream.write(chunk);
      this.#toSendBytes -= taken;
      allowance?.take(taken);
      if (taken < chunk.length) break; // `onWritable` follows
    }
    this.#shared.tunnel.wake();
  }

  /** spec probe 2: only after the opener's FIN */
  #finishIfDone(): void {
    const { stream } = this.#request;
    const isSent = this.#isStopped || this.#toSendBytes === 0;
    if (this.#isOver || !isSent || !stream.readFinished) return;
    stream.finish();
    this.#end();
    this.#shared.tunnel.wake();
  }

  #abort(): void {
    if (this.#isOver) return;
    this.#request.stream.reset(StreamErrorCode.cancelled);
    this.#request.stream.stopSending(StreamErrorCode.cancelled);
    this.#end();
    this.#shared.tunnel.wake();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#shared.underWay--;
    this.#shared.limit?.toPeer.leave(this.#sendingTurn);
    this.#shared.limit?.fromPeer.leave(this.#receivingTurn);
    if (this.#timer !== undefined) this.#shared.timers.clear(this.#timer);
  }
}
