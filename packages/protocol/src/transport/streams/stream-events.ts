import type { ConnectionStream } from './stream.js';

/** An event about a stream. peer-event.ts says what each of them means. */
export type StreamEvent =
  /** A stream can be opened, after one could not. */
  | { readonly type: 'streams-available' }
  | { readonly type: 'stream-opened'; readonly stream: ConnectionStream }
  | { readonly type: 'stream-readable'; readonly stream: ConnectionStream }
  | { readonly type: 'stream-datagrams'; readonly stream: ConnectionStream }
  | { readonly type: 'stream-writable'; readonly stream: ConnectionStream }
  | { readonly type: 'stream-reset'; readonly stream: ConnectionStream; readonly code: number }
  | { readonly type: 'stream-stopped'; readonly stream: ConnectionStream; readonly code: number }
  | { readonly type: 'stream-closed'; readonly stream: ConnectionStream };

/** The events of a connection's streams, in order, until they are polled. A stream has at most one 'stream-readable'
 *  and one 'stream-datagrams' event in here. */
export class StreamEvents {
  readonly #waiting: StreamEvent[] = [];

  push(event: StreamEvent): void {
    this.#waiting.push(event);
  }

  /** Adds 'stream-readable' if the stream can be read and no such event of it waits. */
  pushReadable(stream: ConnectionStream): void {
    if (stream.readableQueued || !stream.receiving.isReadable) return;
    stream.readableQueued = true;
    this.#waiting.push({ type: 'stream-readable', stream });
  }

  /** Adds 'stream-datagrams', unless one of the stream waits. */
  pushDatagrams(stream: ConnectionStream): void {
    if (stream.datagramsQueued) return;
    stream.datagramsQueued = true;
    this.#waiting.push({ type: 'stream-datagrams', stream });
  }

  /** Takes the next event. */
  poll(): StreamEvent | undefined {
    const event = this.#waiting.shift();
    if (event?.type === 'stream-readable') event.stream.readableQueued = false;
    if (event?.type === 'stream-datagrams') event.stream.datagramsQueued = false;
    return event;
  }
}
