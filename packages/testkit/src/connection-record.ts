/** What a process notes of one connection with a peer. */
import type { Stream } from '@underpass/protocol';
import type { StreamPlan } from './scenario.js';
import type { EndModel } from './stream-model.js';

/** A stream that this process has opened. */
export interface OpenedStream {
  readonly stream: Stream;
  /** Whether it outlived an earlier connection (spec streams 3.8). */
  readonly isReopened: boolean;
  readonly plan: StreamPlan;
  readonly model: EndModel;
}

/** The streams of one connection with a peer. */
export interface ConnectionRecord {
  /** The other side's run, once its HELLO has arrived. */
  otherRun: number | undefined;
  readonly opened: Map<number, OpenedStream>;
  /** This process's end of every stream of the connection. */
  readonly ends: Map<number, EndModel>;
}

export function newConnection(): ConnectionRecord {
  return { otherRun: undefined, opened: new Map(), ends: new Map() };
}
