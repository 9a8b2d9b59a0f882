import type { Deadline } from '../deadline.js';
import type { CongestionControllerName } from './congestion/controller.js';
import type { ConnectionParts } from './parts.js';
import { type StreamView, viewStream } from './streams/stream-view.js';

/** The inside of a connection, for tools that show it. Sizes are in bytes, times in milliseconds. */
export interface ConnectionView {
  readonly streams: readonly StreamView[];
  /** All timers that are set. */
  readonly timers: readonly Deadline[];
  readonly congestion: {
    readonly name: CongestionControllerName;
    readonly windowBytes: number;
    readonly isInSlowStart: boolean;
    /** Bytes per millisecond; undefined if the pacer derives it from the window. */
    readonly pacingRate: number | undefined;
  };
  readonly recovery: {
    readonly bytesInFlight: number;
    readonly packetsLost: number;
    /** How many probe timeouts in a row have expired. */
    readonly ptoCount: number;
    /** Undefined before the first sample. */
    readonly latestRttMs: number | undefined;
    readonly smoothedRttMs: number | undefined;
  };
}

/** It looks at every stream. */
export function viewConnection(
  { streams, congestion, recovery }: ConnectionParts,
  timers: readonly Deadline[],
): ConnectionView {
  const { name, windowBytes, isInSlowStart, pacingRate } = congestion;
  const { bytesInFlight, packetsLost, ptoCount, rtt } = recovery;
  return {
    streams: Array.from(streams, viewStream),
    timers,
    congestion: { name, windowBytes, isInSlowStart, pacingRate },
    recovery: {
      bytesInFlight,
      packetsLost,
      ptoCount,
      latestRttMs: rtt.hasSample ? rtt.latestMs : undefined,
      smoothedRttMs: rtt.hasSample ? rtt.smoothedMs : undefined,
    },
  };
}
