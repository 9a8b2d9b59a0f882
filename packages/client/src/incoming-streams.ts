/** The streams that the relay opens towards this client. */
import { type Stream, StreamErrorCode } from '@underpass/protocol';

/** Refuses them all: before reverse forwards exist, a relay has no reason to open one. */
export class IncomingStreams {
  accept(stream: Stream): void {
    stream.reset(StreamErrorCode.refused);
    stream.stopSending(StreamErrorCode.refused);
  }
}
