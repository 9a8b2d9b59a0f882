/** Ends a flow on its control stream (spec forwarding 5.1). */
import { type Stream, StreamErrorCode } from '@underpass/protocol';

/** Finishes our direction and stops reading the other one, in which nothing is left that matters. */
export function endFlow(stream: Stream): void {
  stream.finish();
  stream.stopSending(StreamErrorCode.cancelled);
}
