import type { ConnectionStream } from './stream.js';

/** The control frames of a stream. Each is a bit, so that one number says which of them are due. */
export const StreamControl = { reset: 1, stop: 2, maxStreamData: 4 } as const;
export type StreamControl = (typeof StreamControl)[keyof typeof StreamControl];

/** How the parts of `streams/` request frames other than STREAM (spec streams 2). PendingFrames implements this: a
 *  requested frame is written once, with the values of that moment, and is requested again if it is lost. */
export interface FrameRequests {
  requestMaxData(): void;
  requestMaxStreams(): void;
  requestControl(stream: ConnectionStream, frame: StreamControl): void;
  /** The frame is no longer needed. */
  withdrawControl(stream: ConnectionStream, frame: StreamControl): void;
  /** No frame of this stream is needed any more. */
  withdrawStream(stream: ConnectionStream): void;
}
