/** How streams ask for frames other than STREAM (spec streams 2). The connection's `PendingFrames` answers to this: a frame that was asked
 *  for is written once, with the values that hold at that moment, and asked for again when it is lost. */
import type { ConnectionStream } from './stream.js';

/** The frames that belong to one stream; bits, so that one number says which of them are due. */
export const StreamControl = { reset: 1, stop: 2, maxStreamData: 4 } as const;
export type StreamControl = (typeof StreamControl)[keyof typeof StreamControl];

export interface FrameRequests {
  requestMaxData(): void;
  requestMaxStreams(): void;
  requestControl(stream: ConnectionStream, frame: StreamControl): void;
  /** It is no longer needed. */
  withdrawControl(stream: ConnectionStream, frame: StreamControl): void;
  /** The stream has nothing more to say. */
  withdrawStream(stream: ConnectionStream): void;
}
