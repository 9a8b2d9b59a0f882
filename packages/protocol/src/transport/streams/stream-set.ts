import { ConnectionErrorCode, StreamErrorCode } from '../../failure.js';
import { INITIAL_MAX_STREAM_DATA_BYTES } from '../limits.js';
import type { FrameReader } from '../wire/frame-reader.js';
import { ConnectionCredit } from './connection-credit.js';
import { FlowDatagrams } from './flow-datagrams.js';
import { type FrameOutcome, problem } from './frame-outcome.js';
import { type FrameRequests, StreamControl } from './frame-requests.js';
import { PeerPlaces } from './peer-places.js';
import { ReceiveWindows } from './receive-windows.js';
import { SendHalf } from './send-half.js';
import { SendScheduler } from './send-scheduler.js';
import { ConnectionStream, type StreamOwner } from './stream.js';
import { type StreamEvent, StreamEvents } from './stream-events.js';
import type { StreamSetOptions } from './stream-set-options.js';
import { type StreamError, StreamTable } from './stream-table.js';

export type { FrameOutcome } from './frame-outcome.js';
export type { StreamEvent } from './stream-events.js';
export type { StreamError } from './stream-table.js';

const BEYOND_CONNECTION_LIMIT: StreamError = {
  code: ConnectionErrorCode.flowControl,
  reason: 'data beyond the connection limit',
};

/** All streams of a connection (spec streams 4, 5): what arrives for them, what becomes of the frames we sent, and what
 *  there is to report.
 *
 *  A frame names a stream by its id, and StreamTable finds or opens it. SendScheduler has everything that concerns
 *  sending, and ReceiveWindows decides what the peer may send. This class passes each frame and each command on to
 *  them, requests control frames, and closes a stream once both its directions are over. The connection owns it. It
 *  never writes a frame. */
export class StreamSet implements StreamOwner {
  /** How many frames have had an effect (spec streams 2.5). */
  effects = 0;

  readonly credit: ConnectionCredit;
  readonly places: PeerPlaces;
  readonly sending: SendScheduler;
  readonly datagrams: FlowDatagrams;
  readonly #table: StreamTable;
  readonly windows: ReceiveWindows;
  readonly #requests: FrameRequests;
  readonly #onCommand: () => void;
  readonly #events = new StreamEvents();
  #initialSendLimit = INITIAL_MAX_STREAM_DATA_BYTES;

  constructor(options: StreamSetOptions) {
    const { role, limits, requests } = options;
    this.#requests = requests;
    this.#onCommand = options.onCommand;
    this.credit = new ConnectionCredit(limits.connectionWindowBytes, requests);
    this.places = new PeerPlaces(limits.maxOpenStreams, options.givenUpBudget, requests);
    this.windows = new ReceiveWindows(limits, options.blocks, this.credit, requests);
    this.datagrams = new FlowDatagrams(options);
    const create = (id: number, incoming: boolean) => this.#create(id, incoming);
    this.#table = new StreamTable(role, this.places, limits.maxOpenStreams, create);
    const { sendAheadBytes, turnBytes } = options;
    this.sending = new SendScheduler(this.#table, limits, this.credit, sendAheadBytes, turnBytes);
  }

  // ---- getters ----------------------------------------------------------------------------------------------

  /** How many streams are open. */
  get openStreams(): number {
    return this.#table.size;
  }
  /** The open streams. */
  [Symbol.iterator](): Iterator<ConnectionStream> {
    return this.#table[Symbol.iterator]();
  }
  /** How much memory received bytes take. It looks at every stream. */
  get allocatedBytes(): number {
    let bytes = 0;
    for (const stream of this.#table) bytes += stream.receiving.buffer.allocatedBytes;
    return bytes;
  }

  // ---- commands ---------------------------------------------------------------------------------------------

  /** Opens a stream.
   *  @returns undefined if we may open no more */
  open(): ConnectionStream | undefined {
    const stream = this.#table.open();
    if (stream !== undefined) this.#onCommand();
    return stream;
  }

  /** Decides what depends on the time: credit for what was read, and places of streams that are over. It must be called
   *  before anything is sent.
   *  @param roundTripMs 0 if it is not known yet */
  settle(now: number, roundTripMs: number): void {
    this.windows.replenish(now, roundTripMs);
    this.places.replenish(now);
  }

  /** Takes the next event. */
  pollEvent(): StreamEvent | undefined {
    return this.#events.poll();
  }

  /** Removes those of our streams on which nobody can have acted, the oldest first (spec streams 3.8).
   *  @param keypairId the first keypair of the peer's current run
   *  @param most how many to remove at most
   *  @returns the streams */
  takeUnheard(keypairId: number, most: number): ConnectionStream[] {
    const taken = this.#table.takeUnheard(keypairId, most);
    for (const stream of taken) {
      this.#requests.withdrawStream(stream);
      this.sending.forget(stream);
      this.datagrams.forget(stream);
    }
    return taken;
  }

  /** Starts over a stream that `takeUnheard` of an earlier connection has returned. We must be permitted to open it. */
  reopen(stream: ConnectionStream): void {
    this.#table.reopen(stream, (id) => {
      stream.reopen(id, this, this.#initialSendLimit, this.windows.newHalf());
    });
    this.sending.adopt(stream);
  }

  /** The connection has ended: all streams end at once. */
  loseAll(): void {
    for (const stream of this.#table) {
      stream.sending.lose();
      stream.receiving.lose();
      stream.isClosed = true;
      this.#requests.withdrawStream(stream);
      this.sending.forget(stream);
      this.datagrams.forget(stream);
      this.#events.push({ type: 'stream-reset', stream, code: StreamErrorCode.connectionLost });
      this.#events.push({ type: 'stream-closed', stream });
    }
    this.#table.clear();
  }

  // ---- what streams ask (StreamOwner) -----------------------------------------------------------------------

  sendRoom(stream: ConnectionStream): number {
    return this.sending.room(stream);
  }

  onWritten(stream: ConnectionStream, bytes: number): void {
    this.sending.onWritten(stream, bytes);
    this.#onCommand();
  }

  onFinished(stream: ConnectionStream): void {
    this.sending.onFinished(stream);
    this.#onCommand();
  }

  onReset(stream: ConnectionStream, bytes: number, pieces: number): void {
    this.sending.onReset(bytes, pieces);
    this.#requests.requestControl(stream, StreamControl.reset);
    this.#onCommand();
  }

  onStopped(stream: ConnectionStream, unreadBytes: number): void {
    this.windows.onStopped(stream, unreadBytes);
    if (stream.receiving.state === 'receive') this.#requests.requestControl(stream, StreamControl.stop);
    this.#onCommand();
    this.#closeIfOver(stream);
  }

  onRead(stream: ConnectionStream): void {
    this.#onCommand();
    this.#closeIfOver(stream);
  }

  // ---- what arrives -----------------------------------------------------------------------------------------

  /** The peer's HELLO arrived: those of its limits that are higher take effect (spec streams 3.5). */
  onHello(maxData: number, maxStreamData: number, maxStreams: number): void {
    this.onMaxData(maxData);
    this.onMaxStreams(maxStreams);
    if (maxStreamData <= this.#initialSendLimit) return;
    this.#initialSendLimit = maxStreamData;
    for (const stream of this.#table) this.#raiseSendLimit(stream, maxStreamData);
  }

  onMaxData(maximum: number): void {
    if (this.sending.raiseCredit(maximum)) this.effects++;
  }

  onMaxStreams(maximum: number): void {
    if (!this.#table.raiseMaxStreams(maximum)) return;
    this.effects++;
    this.#announceRoomForStreams();
  }

  onMaxStreamData(id: number, maximum: number): FrameOutcome {
    const stream = this.#table.lookup(id);
    if (!(stream instanceof ConnectionStream)) return stream;
    this.#raiseSendLimit(stream, maximum);
    return undefined;
  }

  onStreamFrame(frame: FrameReader, fin: boolean): FrameOutcome {
    const stream = this.#table.lookup(frame.streamId);
    if (!(stream instanceof ConnectionStream)) return stream;
    const { receiving } = stream;
    const before = receiving.largest;
    const { state } = receiving;
    const { arrivedBytes } = receiving.buffer;
    if (!this.windows.permits(stream, frame.offset + frame.dataLength)) return BEYOND_CONNECTION_LIMIT;
    const outcome = receiving.onData(frame.offset, frame.bytes, frame.dataStart, frame.dataLength, fin);
    if (outcome !== 'ok') return problem(outcome);
    const hasNews = receiving.buffer.arrivedBytes > arrivedBytes || receiving.largest > before;
    if (hasNews || receiving.state !== state) this.effects++;
    this.windows.onArrived(stream, before);
    this.#events.pushReadable(stream);
    this.#closeIfOver(stream);
    return undefined;
  }

  /** DATAGRAM arrived, which never opens a stream (spec datagrams 2.3). */
  onDatagramFrame(frame: FrameReader): FrameOutcome {
    const stream = this.#table.get(frame.streamId);
    const problem = stream === undefined ? this.#table.problemOf(frame.streamId) : undefined;
    if (problem !== undefined) return problem;
    this.datagrams.onFrame(stream, frame);
    if (stream === undefined) return undefined;
    this.effects++;
    this.#events.pushDatagrams(stream);
    return undefined;
  }

  onResetStream(id: number, code: number, finalSize: number): FrameOutcome {
    const stream = this.#table.lookup(id);
    if (!(stream instanceof ConnectionStream)) return stream;
    const { receiving } = stream;
    const before = receiving.largest;
    if (!this.windows.permits(stream, finalSize)) return BEYOND_CONNECTION_LIMIT;
    const wasStopped = receiving.stopCode !== undefined;
    const wasReset = receiving.state === 'reset-received' || receiving.isOver;
    const outcome = receiving.onReset(finalSize);
    if (outcome !== 'ok') return problem(outcome);
    if (wasReset || receiving.state !== 'reset-received') return undefined;
    this.effects++;
    this.#requests.withdrawControl(stream, StreamControl.stop);
    if (!wasStopped && stream.isUnanswered) stream.wasGivenUp = true;
    this.windows.onReset(stream, before, wasStopped);
    if (!wasStopped) this.#events.push({ type: 'stream-reset', stream, code });
    this.#closeIfOver(stream);
    return undefined;
  }

  /** STOP_SENDING arrived: our sending direction is reset (spec streams 4.5). */
  onStopSending(id: number, code: number): FrameOutcome {
    const stream = this.#table.lookup(id);
    if (!(stream instanceof ConnectionStream)) return stream;
    if (stream.sending.isReset || stream.sending.isOver) return undefined;
    this.effects++;
    if (stream.receiving.stopCode === undefined && stream.isUnanswered) stream.wasGivenUp = true;
    stream.reset(code);
    this.#events.push({ type: 'stream-stopped', stream, code });
    return undefined;
  }

  // ---- what became of our frames ----------------------------------------------------------------------------

  /** Something of a stream was put into a packet for the first time. If we have opened the stream, we want to read the
   *  answer, so the peer gets more than the first window at once. */
  onFirstSent(stream: ConnectionStream): void {
    if (!stream.incoming) this.windows.widen(stream);
    this.datagrams.onFirstSent(stream);
  }

  onFrameAcknowledged(id: number, start: number, length: number, fin: boolean): void {
    const stream = this.#table.get(id);
    if (stream === undefined) return;
    this.sending.onAcknowledged(stream, start, length, fin);
    this.#closeIfOver(stream);
  }

  onFrameLost(id: number, start: number, length: number, fin: boolean): void {
    const stream = this.#table.get(id);
    if (stream !== undefined) this.sending.onLost(stream, start, length, fin);
  }

  onResetAcknowledged(id: number): void {
    const stream = this.#table.get(id);
    if (stream === undefined) return;
    stream.sending.onResetAcknowledged();
    this.#requests.withdrawControl(stream, StreamControl.reset);
    this.#closeIfOver(stream);
  }

  onResetLost(id: number): void {
    const stream = this.#table.get(id);
    if (stream?.sending.state !== 'reset-sent') return;
    this.#requests.requestControl(stream, StreamControl.reset);
  }

  onStopLost(id: number): void {
    const stream = this.#table.get(id);
    if (stream?.receiving.state !== 'receive') return;
    this.#requests.requestControl(stream, StreamControl.stop);
  }

  onMaxStreamDataLost(id: number): void {
    const stream = this.#table.get(id);
    if (stream === undefined) return;
    if (stream.receiving.finalSize !== undefined || stream.receiving.stopCode !== undefined) return;
    this.#requests.requestControl(stream, StreamControl.maxStreamData);
  }

  /** Reports the streams whose writers have room again after acknowledgements or new limits. */
  announceRoom(): void {
    this.sending.announceRoom((stream) => {
      this.#events.push({ type: 'stream-writable', stream });
    });
  }

  // ---- inside -----------------------------------------------------------------------------------------------

  #create(id: number, incoming: boolean): ConnectionStream {
    const sending = new SendHalf(this.#initialSendLimit);
    const stream = new ConnectionStream(id, incoming, sending, this.windows.newHalf(), this);
    if (incoming) this.#events.push({ type: 'stream-opened', stream });
    return stream;
  }

  #raiseSendLimit(stream: ConnectionStream, maximum: number): void {
    if (this.sending.raiseLimit(stream, maximum)) this.effects++;
  }

  #announceRoomForStreams(): void {
    if (this.#table.takeRoom()) this.#events.push({ type: 'streams-available' });
  }

  #closeIfOver(stream: ConnectionStream): void {
    if (stream.isClosed || !stream.sending.isOver || !stream.receiving.isOver) return;
    stream.isClosed = true;
    this.#table.remove(stream);
    this.#requests.withdrawStream(stream);
    this.sending.forget(stream);
    this.datagrams.forget(stream);
    this.#events.push({ type: 'stream-closed', stream });
    if (stream.incoming) this.places.giveBack(stream.wasGivenUp);
    else this.#announceRoomForStreams();
  }
}
