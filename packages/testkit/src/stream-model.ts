/** The reference model of a stream: what its two ends may see, whatever the network does. */
import { type DatagramOutcome, StreamErrorCode } from '@underpass/protocol';
import type { Content } from './content.js';

/** A message begins with its number. */
const NUMBER_BYTES = 4;

export type Report = (violation: string) => void;

/** One side's end of a stream: what its application wrote and read, and how each direction ended.
 *
 *  The rules are simple. Written bytes are read in order and exactly once. FIN follows all of them, or a reset that the
 *  writer requested. Nothing follows the end, and every end is reached. A message arrives at most once, and whole. The
 *  model knows nothing of packets, windows or
 *  keys. Methods named like commands record what the application did; methods named `on...` check what the protocol
 *  reported, against the other end's record. */
export class EndModel {
  readonly name: string;
  /** The other side's end, once it is known. */
  peer: EndModel | undefined;
  /** Where this end's bytes start in the shared content. */
  readonly contentStart: number;

  writtenBytes = 0;
  hasFinished = false;
  /** The code with which this end ended its own direction early, also in answer to the reader's `stopSending`. */
  resetCode: number | undefined;
  wasStopped = false;

  /** Whether bytes, FIN, a reset or a stop of the other side have reached this end. */
  hasHeard = false;
  readBytes = 0;
  hasReadAll = false;
  /** When everything had been read, in virtual milliseconds. */
  readAllAt: number | undefined;
  sawReset = false;
  stopCode: number | undefined;

  /** How many messages have arrived. */
  messages = 0;
  /** What became of the messages that the application wanted to send, except after the end. */
  readonly outcomes = { asked: 0, tooLarge: 0 };
  /** The lengths of the messages that this end has sent, by number. */
  readonly #sentMessages = new Map<number, number>();
  /** The numbers of those that have arrived, by the end that sent them. */
  readonly #arrivedMessages = new Map<EndModel, Set<number>>();

  /** The connection was lost, with everything under way. */
  isLost = false;
  isClosed = false;

  readonly #content: Content;
  readonly #report: Report;

  constructor(name: string, content: Content, contentStart: number, report: Report) {
    this.name = name;
    this.contentStart = contentStart;
    this.#content = content;
    this.#report = report;
  }

  /** Whether nothing more can be read. */
  get isReadingOver(): boolean {
    return this.hasReadAll || this.sawReset || this.stopCode !== undefined;
  }

  // ---- what the application does ------------------------------------------------------------------------------

  write(bytes: number): void {
    this.writtenBytes += bytes;
  }
  finish(): void {
    this.hasFinished = true;
  }
  reset(code: number): void {
    this.resetCode ??= code;
  }
  stopSending(code: number): void {
    this.stopCode ??= code;
  }

  /** A message with this number: the number, then content that follows from it. */
  message(number: number, length: number): Uint8Array {
    const message = new Uint8Array(NUMBER_BYTES + length);
    new DataView(message.buffer).setUint32(0, number);
    message.set(this.#content.bytes(this.contentStart, number, length), NUMBER_BYTES);
    return message;
  }

  onMessageSent(number: number, message: Uint8Array, maxBytes: number, outcome: DatagramOutcome): void {
    if (message.length > maxBytes !== (outcome === 'too-large') && outcome !== 'ended') {
      this.#fail(`sent a message of ${message.length} bytes, ${maxBytes} are permitted: ${outcome}`);
    }
    if (outcome !== 'ended') this.outcomes.asked++;
    if (outcome === 'too-large') this.outcomes.tooLarge++;
    if (outcome === 'queued') this.#sentMessages.set(number, message.length);
  }

  // ---- what the protocol reports ------------------------------------------------------------------------------

  onRead(bytes: Uint8Array): void {
    this.#expectLife('bytes');
    if (this.hasReadAll) this.#fail('read bytes after the FIN');
    if (this.sawReset) this.#fail('read bytes after the reset');
    if (this.stopCode !== undefined) this.#fail('read bytes after it stopped reading');
    if (bytes.length === 0) this.#fail('read an empty piece');
    const writer = this.peer;
    if (writer === undefined) {
      this.#fail('read bytes that nobody wrote');
      return;
    }
    const end = this.readBytes + bytes.length;
    if (end > writer.writtenBytes) {
      this.#fail(`read up to offset ${end}, only ${writer.writtenBytes} bytes were written`);
    }
    const difference = this.#content.firstDifference(writer.contentStart, this.readBytes, bytes);
    if (difference >= 0) this.#fail(`read a wrong byte at offset ${this.readBytes + difference}`);
    this.readBytes = end;
  }

  /** spec datagrams: what arrives was sent, by the other end, and arrives once */
  onMessage(bytes: Uint8Array): void {
    this.#expectLife('a message');
    const sender = this.peer;
    if (sender === undefined || bytes.length < NUMBER_BYTES) {
      this.#fail(`received a message of ${bytes.length} bytes that nobody sent`);
      return;
    }
    const number = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
    const arrived = this.#arrivedMessages.get(sender) ?? new Set();
    this.#arrivedMessages.set(sender, arrived);
    if (arrived.has(number)) this.#fail(`received message ${number} twice`);
    arrived.add(number);
    this.messages++;
    if (sender.#sentMessages.get(number) !== bytes.length) {
      this.#fail(`received message ${number} with ${bytes.length} bytes`);
    }
    const content = bytes.subarray(NUMBER_BYTES);
    const difference = this.#content.firstDifference(sender.contentStart, number, content);
    if (difference >= 0) this.#fail(`received message ${number} with a wrong byte at ${difference}`);
  }

  /** All messages that an event announced were read. */
  onMessagesRead(): void {
    this.#expectLife('messages');
  }

  onReadFinished(): void {
    this.#expectLife('FIN');
    if (this.hasReadAll) this.#fail('read the FIN twice');
    if (this.sawReset) this.#fail('read the FIN after the reset');
    this.hasReadAll = true;
    const writer = this.peer;
    if (writer === undefined) {
      this.#fail('read a FIN that nobody wrote');
      return;
    }
    if (!writer.hasFinished) this.#fail('read a FIN that was never written');
    if (this.readBytes !== writer.writtenBytes) {
      this.#fail(`read the FIN after ${this.readBytes} of ${writer.writtenBytes} bytes`);
    }
  }

  onReset(code: number): void {
    this.#expectLife('reset');
    if (code === StreamErrorCode.connectionLost) {
      if (this.isLost) this.#fail('learned twice that the connection is lost');
      this.isLost = true;
      return;
    }
    this.hasHeard = true;
    if (this.sawReset) this.#fail('received a reset twice');
    if (this.hasReadAll) this.#fail('received a reset after the FIN');
    if (this.stopCode !== undefined) this.#fail('received a reset after it stopped reading');
    this.sawReset = true;
    const writer = this.peer;
    if (writer === undefined) {
      this.#fail('received a reset that nobody requested');
      return;
    }
    if (writer.resetCode !== code) {
      this.#fail(`received a reset with code ${code}, but the other side's is ${writer.resetCode ?? 'none'}`);
    }
  }

  onStopped(code: number): void {
    this.#expectLife('stop');
    this.hasHeard = true;
    if (this.wasStopped) this.#fail('was stopped twice');
    this.wasStopped = true;
    this.resetCode ??= code;
    const reader = this.peer;
    if (reader === undefined) {
      this.#fail('was stopped by nobody');
      return;
    }
    if (reader.stopCode !== code) {
      this.#fail(`was stopped with code ${code}, the other side's is ${reader.stopCode ?? 'none'}`);
    }
  }

  onReadable(): void {
    this.#expectLife('readable');
    this.hasHeard = true;
  }
  /** @param isAwaited whether a write took less than it was given */
  onWritable(isAwaited: boolean): void {
    this.#expectLife('writable');
    if (!isAwaited) this.#fail('learned of room that it did not wait for');
  }

  onClosed(): void {
    this.#expectLife('closed');
    this.isClosed = true;
    if (this.isLost) return;
    if (!this.isReadingOver) this.#fail('was closed before its reading was over');
    if (!this.hasFinished && this.resetCode === undefined)
      this.#fail('was closed before its writing was over');
  }

  // ---- at the end ---------------------------------------------------------------------------------------------

  /** Call once at the end, if the process survived: checks that this end was reached, and was the right one. */
  checkEnd(): void {
    if (!this.isClosed) {
      this.#fail(`never ended: ${this.describe()}`);
      return;
    }
    if (this.isLost) return;
    const writer = this.peer;
    if (writer === undefined) return; // it was reset before the other side learned of it
    if (writer.isLost) return;
    if (
      writer.hasFinished &&
      writer.resetCode === undefined &&
      this.stopCode === undefined &&
      !this.hasReadAll
    ) {
      this.#fail(`read ${this.readBytes} of ${writer.writtenBytes} bytes and no FIN`);
    }
  }

  describe(): string {
    const reading = `read ${this.readBytes}${this.hasReadAll ? ' and FIN' : ''}${this.sawReset ? ' and reset' : ''}`;
    const writing = `wrote ${this.writtenBytes}${this.hasFinished ? ' and FIN' : ''}`;
    const reset = this.resetCode === undefined ? '' : ', reset its direction';
    const stop = this.stopCode === undefined ? '' : ', stopped reading';
    return `${reading}, ${writing}${reset}${stop}${this.isLost ? ', lost' : ''}`;
  }

  /** Nothing may follow once the stream is closed, and only that may follow once the connection is lost. */
  #expectLife(what: string): void {
    if (this.isClosed) this.#fail(`received ${what} after it was closed`);
    else if (this.isLost && what !== 'closed') this.#fail(`received ${what} after the connection was lost`);
  }

  #fail(problem: string): void {
    this.#report(`${this.name} ${problem}`);
  }
}
