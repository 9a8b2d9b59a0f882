/** Messages between the main process of a relay and one of its workers. */
import type { Duplex } from 'node:stream';
import { assert } from '@underpass/protocol';
import { decodeMessage, encodeMessage } from './message-bytes.js';

/** Before each message: the length of its values, and that of its byte arrays. */
const HEADER_BYTES = 8;
/** More than the largest list of peers takes. */
const MAX_MESSAGE_BYTES = 256 * 1024 * 1024;
/** How much may wait for a process that does not read, before what can be dropped is dropped. */
export const MAX_CHANNEL_BACKLOG_BYTES = 1024 * 1024;

/** A message: what it is, which request it belongs to, and its parameter. */
type Message =
  | readonly [kind: 'tell', name: string, body: unknown]
  | readonly [kind: 'ask', name: string, body: unknown, id: number]
  | readonly [kind: 'answer', body: unknown, id: number]
  | readonly [kind: 'failure', reason: string, id: number];

/** What a side does with messages, by their names. The result answers whoever asked. Byte arrays in the parameter are
 *  views of the message. A handler that gets a secret wipes it, and copies what it keeps. */
export type Handlers = Readonly<Record<string, (body: never) => unknown>>;

/** Both directions of a pipe between two processes, as messages in order.
 *
 *  Messages contain keys. What is written is wiped at once, and the arrays of a message that was read are the only copy.
 *  A side trusts the other: they are the same program and the same user. */
export class Channel {
  readonly #pipe: Duplex;
  readonly #handlers: Handlers;
  readonly #waiting = new Map<number, { resolve(body: never): void; reject(error: Error): void }>();
  #asked = 0;
  #isClosed = false;
  #header = Buffer.alloc(HEADER_BYTES);
  #message: Buffer | undefined;
  /** How many bytes of the header or the message have arrived. */
  #filled = 0;

  /** @param onEnd  called once, when the other process has closed its end or is gone */
  constructor(pipe: Duplex, handlers: Handlers, onEnd: () => void) {
    this.#pipe = pipe;
    this.#handlers = handlers;
    pipe.on('data', (chunk: Buffer) => this.#read(chunk));
    pipe.on('error', () => pipe.destroy());
    pipe.on('close', () => {
      this.#isClosed = true;
      for (const { reject } of this.#waiting.values()) reject(new Error('the other process has ended'));
      this.#waiting.clear();
      onEnd();
    });
  }

  /** Whether the other process is so far behind that unimportant messages should be dropped. */
  get isBehind(): boolean {
    return this.#pipe.writableLength > MAX_CHANNEL_BACKLOG_BYTES;
  }

  tell(name: string, body: unknown): void {
    this.#write(['tell', name, body]);
  }

  /** @throws the other side's failure as an Error, or that it has ended */
  ask<Answer>(name: string, body?: unknown): Promise<Answer> {
    if (this.#isClosed) return Promise.reject(new Error('the other process has ended'));
    const id = ++this.#asked;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#write(['ask', name, body, id]);
    });
  }

  close(): void {
    this.#pipe.destroy();
  }

  #write(message: Message): void {
    if (this.#isClosed) return;
    const { values, arrays } = encodeMessage(message);
    const start = HEADER_BYTES + values.length;
    const length = arrays.reduce((sum, array) => sum + array.length, start);
    const frame = Buffer.from(new ArrayBuffer(length));
    frame.writeUInt32LE(values.length);
    frame.writeUInt32LE(length - start, HEADER_BYTES / 2);
    frame.set(values, HEADER_BYTES);
    let at = start;
    for (const array of arrays) {
      frame.set(array, at);
      at += array.length;
    }
    this.#pipe.write(frame, () => frame.fill(0));
  }

  #read(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      const into = this.#message ?? this.#header;
      const bytes = Math.min(into.length - this.#filled, chunk.length - at);
      into.set(chunk.subarray(at, at + bytes), this.#filled);
      this.#filled += bytes;
      at += bytes;
      if (this.#filled < into.length) break;
      this.#filled = 0;
      if (this.#message === undefined) {
        const length = this.#header.readUInt32LE() + this.#header.readUInt32LE(HEADER_BYTES / 2);
        assert(
          length > 0 && length <= MAX_MESSAGE_BYTES,
          'a message between processes has a possible length',
        );
        this.#message = Buffer.from(new ArrayBuffer(length));
        continue;
      }
      this.#message = undefined;
      const start = this.#header.readUInt32LE();
      void this.#handle(decodeMessage(into.subarray(0, start), into.subarray(start)) as Message);
    }
    chunk.fill(0);
  }

  async #handle(message: Message): Promise<void> {
    switch (message[0]) {
      case 'answer':
        this.#take(message[2])?.resolve(message[1] as never);
        return;
      case 'failure':
        this.#take(message[2])?.reject(new Error(message[1]));
        return;
      case 'tell':
        this.#handlers[message[1]]?.(message[2] as never);
        return;
      case 'ask':
        try {
          this.#write(['answer', await this.#handlers[message[1]]?.(message[2] as never), message[3]]);
        } catch (error) {
          this.#write(['failure', error instanceof Error ? error.message : String(error), message[3]]);
        }
    }
  }

  #take(id: number) {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }
}
