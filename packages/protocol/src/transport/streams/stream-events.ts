/** What there is to report about streams, in order, until somebody asks. */
import type { ConnectionStream } from './stream.js';

export type StreamEvent =
  /** A stream can be opened, after one could not. */
  | { readonly type: 'streams-available' }
  | { readonly type: 'stream-opened'; readonly stream: ConnectionStream }
  | { readonly type: 'stream-readable'; readonly stream: ConnectionStream }
  | { readonly type: 'stream-writable'; readonly stream: ConnectionStream }
  | { readonly type: 'stream-reset'; readonly stream: ConnectionStream; readonly code: number }
  | { readonly type: 'stream-stopped'; readonly stream: ConnectionStream; readonly code: number }
  | { readonly type: 'stream-closed'; readonly stream: ConnectionStream };

export class StreamEvents {
  readonly #waiting: StreamEvent[] = [];

  push(event: StreamEvent): void {
    this.#waiting.push(event);
  }

  /** Reports that a stream can be read, unless that report still waits. */
  pushReadable(stream: ConnectionStream): void {
    if (stream.readableQueued || !stream.receiving.isReadable) return;
    stream.readableQueued = true;
    this.#waiting.push({ type: 'stream-readable', stream });
  }

  poll(): StreamEvent | undefined {
    const event = this.#waiting.shift();
    if (event?.type === 'stream-readable') event.stream.readableQueued = false;
    return event;
  }
}
