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
  /** The epochs that this side has stated. There are several if some ended before the other side was met. */
  readonly ownEpochs: Set<string>;
  /** The other side's epoch, once its HELLO has arrived. */
  otherEpoch: string | undefined;
  readonly opened: Map<number, OpenedStream>;
  /** This process's end of every stream of the connection. */
  readonly ends: Map<number, EndModel>;
}

export function newConnection(): ConnectionRecord {
  return {
    otherRun: undefined,
    ownEpochs: new Set(),
    otherEpoch: undefined,
    opened: new Map(),
    ends: new Map(),
  };
}

/** Finds the stream that one side opened under this id in its connection with the other, `theirs`.
 *
 *  A connection belongs to one epoch of each side (spec streams 3). The opener may not have met the other side yet, or may
 *  have met an earlier run of it under the same epoch. Epochs are unknown in packets that were corrupted on purpose; then
 *  the runs decide.
 *  @param connections those of the opener with the other node
 *  @param theirRun the run of the other side */
export function findOpened(
  connections: readonly ConnectionRecord[],
  id: number,
  theirRun: number,
  theirs: Pick<ConnectionRecord, 'ownEpochs' | 'otherEpoch'>,
): OpenedStream | undefined {
  const having = connections.filter(({ opened }) => opened.has(id));
  const { ownEpochs, otherEpoch } = theirs;
  const same = having.filter((connection) => connection.ownEpochs.has(otherEpoch ?? ''));
  const found =
    same.findLast(
      (connection) => connection.otherEpoch === undefined || ownEpochs.has(connection.otherEpoch),
    ) ??
    same.at(-1) ??
    having.findLast(({ otherRun }) => otherRun === undefined || otherRun === theirRun);
  return found?.opened.get(id);
}
