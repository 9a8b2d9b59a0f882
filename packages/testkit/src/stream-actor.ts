/** The application at one end of a simulated stream. */
import type { Stream } from '@underpass/protocol';
import type { Content } from './content.js';
import type { EndPlan, MessagePlan } from './scenario.js';
import type { EndModel } from './stream-model.js';

/** The process of an actor, as far as the actor uses it. */
export interface ActorHost {
  readonly content: Content;
  now(): number;
  /** Does nothing if the process has ended by then. */
  after(delayMs: number, action: () => void): void;
  /** Call after commands, which need a turn. */
  wake(): void;
  /** Has the events that wait handled, before a command that may cross them. */
  dispatch(): void;
}

/** How an application ends a direction of a stream. */
export type EndCommand = 'finish' | 'reset' | 'stop';

/** Writes, reads and ends one stream as its plan says, and records each step in the model.
 *
 *  The `PeerLink` creates it when the stream is opened and passes it the stream's events. It decides nothing by itself,
 *  and never checks what it reads: the `EndModel` does. */
export class StreamActor {
  readonly model: EndModel;
  readonly #host: ActorHost;
  readonly #stream: Stream;
  readonly #plan: EndPlan;
  readonly #onCommand: (command: EndCommand) => void;
  #waitsForRoom = false;
  #waitsToRead = false;

  constructor(
    host: ActorHost,
    stream: Stream,
    plan: EndPlan,
    model: EndModel,
    onCommand: (command: EndCommand) => void,
  ) {
    this.#onCommand = onCommand;
    this.model = model;
    this.#host = host;
    this.#stream = stream;
    this.#plan = plan;
    if (plan.resetAfterMs !== undefined) host.after(plan.resetAfterMs, () => this.#reset());
    if (plan.stopAfterMs !== undefined) host.after(plan.stopAfterMs, () => this.#stop());
    if (plan.readDelayMs > 0) {
      this.#waitsToRead = true;
      host.after(plan.readDelayMs, () => this.#resumeReading());
    }
    this.#write();
    if (plan.messages !== undefined) this.#sendMessages(plan.messages, 0);
  }

  // ---- the stream's events ------------------------------------------------------------------------------------

  onReadable(): void {
    this.model.onReadable();
    if (!this.#waitsToRead) this.#read();
  }

  onDatagrams(): void {
    for (let bytes = this.#stream.readDatagram(); bytes !== undefined; bytes = this.#stream.readDatagram()) {
      this.model.onMessage(bytes);
    }
    this.model.onMessagesRead();
  }

  onWritable(): void {
    this.model.onWritable(this.#waitsForRoom);
    this.#waitsForRoom = false;
    this.#write();
  }

  onReset(code: number): void {
    this.model.onReset(code);
    this.#finishIfDone();
  }

  onStopped(code: number): void {
    this.model.onStopped(code);
  }

  onClosed(): void {
    this.model.onClosed();
  }

  // ---- writing ------------------------------------------------------------------------------------------------

  #write(): void {
    const { model, content, size, chunkBytes, writePauseMs } = this.#writing();
    while (!this.#isWritingOver && model.writtenBytes < size) {
      const length = Math.min(chunkBytes, size - model.writtenBytes);
      const chunk = content.bytes(model.contentStart, model.writtenBytes, length);
      const taken = this.#stream.write(chunk);
      model.write(taken);
      if (taken < length) {
        this.#waitsForRoom = true;
        break;
      }
      if (writePauseMs > 0) {
        this.#host.after(writePauseMs, () => {
          if (!this.#waitsForRoom) this.#write();
        });
        break;
      }
    }
    this.#finishIfDone();
    this.#host.wake();
  }

  #writing() {
    const { sizeBytes, chunkBytes, writePauseMs } = this.#plan;
    return { model: this.model, content: this.#host.content, size: sizeBytes, chunkBytes, writePauseMs };
  }

  get #isWritingOver(): boolean {
    const { hasFinished, resetCode, isLost, isClosed } = this.model;
    return hasFinished || resetCode !== undefined || isLost || isClosed;
  }

  #finishIfDone(): void {
    const { model } = this;
    if (this.#isWritingOver || model.writtenBytes < this.#plan.sizeBytes) return;
    if (this.#plan.finishAfterRead && !model.isReadingOver) return;
    model.finish();
    this.#stream.finish();
    this.#onCommand('finish');
    const { resetAfterFinishMs } = this.#plan;
    if (resetAfterFinishMs !== undefined) this.#host.after(resetAfterFinishMs, () => this.#reset());
    this.#host.wake();
  }

  // ---- messages -----------------------------------------------------------------------------------------------

  /** @param first  the number of the next message */
  #sendMessages(plan: MessagePlan, first: number): void {
    if (this.#isWritingOver) return;
    const { model } = this;
    const now = this.#host.now();
    const end = Math.min(first + plan.burst, plan.count);
    for (let number = first; number < end; number++) {
      const message = model.message(number, (number * 7_919) % (plan.maxBytes + 1));
      const { maxDatagramBytes } = this.#stream;
      model.onMessageSent(number, message, maxDatagramBytes, this.#stream.sendDatagram(now, message));
    }
    this.#host.wake();
    if (end < plan.count) this.#host.after(plan.pauseMs, () => this.#sendMessages(plan, end));
  }

  // ---- reading ------------------------------------------------------------------------------------------------

  #read(): void {
    const { readPieces, readPauseMs } = this.#plan;
    for (let pieces = 0; !this.model.isReadingOver; pieces++) {
      if (readPieces > 0 && pieces === readPieces) {
        this.#waitsToRead = true;
        this.#host.after(readPauseMs, () => this.#resumeReading());
        break;
      }
      const bytes = this.#stream.read();
      if (bytes !== undefined) this.model.onRead(bytes);
      if (this.#stream.readFinished) {
        this.model.onReadFinished();
        this.model.readAllAt = this.#host.now();
        this.#finishIfDone();
      }
      if (bytes === undefined) break;
    }
    this.#host.wake();
  }

  #resumeReading(): void {
    this.#waitsToRead = false;
    if (!this.model.isClosed && !this.model.isLost) this.#read();
  }

  // ---- ending early -------------------------------------------------------------------------------------------

  #reset(): void {
    if (this.model.isClosed || this.model.isLost) return;
    this.model.reset(this.#plan.code);
    this.#stream.reset(this.#plan.code);
    this.#onCommand('reset');
    this.#host.wake();
  }

  #stop(): void {
    this.#host.dispatch();
    if (this.model.isClosed || this.model.isLost || this.model.isReadingOver) return;
    this.model.stopSending(this.#plan.code);
    this.#stream.stopSending(this.#plan.code);
    this.#onCommand('stop');
    this.#finishIfDone();
    this.#host.wake();
  }
}
