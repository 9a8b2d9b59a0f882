import { errorOf, type ReceiveOutcome } from './receive-half.js';
import type { StreamError } from './stream-table.js';

/** What became of a frame. `undefined` means that it was carried out, 'later' that its packet must not be acknowledged,
 *  and an error that the connection has to be closed. */
export type FrameOutcome = undefined | 'later' | StreamError;

/** Returns the outcome of a frame that a stream did not accept. */
export function problem(outcome: Exclude<ReceiveOutcome, 'ok'>): FrameOutcome {
  if (outcome === 'later') return 'later';
  const reason = outcome === 'over-limit' ? 'data beyond the stream limit' : 'final size changed';
  return { code: errorOf(outcome), reason };
}
