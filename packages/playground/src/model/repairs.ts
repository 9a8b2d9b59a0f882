/** Finds out how the content of a lost datagram got through. */
import {
  announcedVarintLength,
  END,
  FrameReader,
  FrameType,
  HEADER_BYTES,
  MALFORMED,
  MessageType,
  PACKET_TYPE,
  TAG_BYTES,
} from '@underpass/protocol';
import type { Explainer } from './explainer.js';
import type { Datagram } from './history.js';
import type { Run } from './run.js';

/** How a sender made up for a datagram that was lost. */
export interface Repair {
  /** The datagrams that carried its content again, the first ones that did. */
  readonly by: readonly Datagram[];
  /** Whether they carried all of it. */
  readonly isWhole: boolean;
}

/** Bytes of a stream; `end` is the offset after the last one. */
interface StreamRange {
  readonly streamId: number;
  readonly start: number;
  readonly end: number;
}

/** What is known about a lost datagram, and which datagram to look at next. */
interface Search {
  readonly bytes: Uint8Array;
  missing: readonly StreamRange[];
  next: number;
  readonly by: Datagram[];
}

/** A packet is never sent again: its stream bytes are, in new packets and cut in other ways (spec streams 5.7). So this
 *  looks for the bytes. A handshake message is sent again as it is (spec session 5.7).
 *
 *  Each search goes on where it stopped when it is asked again, since the run has gone on too. */
export class Repairs {
  readonly #run: Run;
  readonly #explainer: Explainer;
  readonly #searches = new Map<number, Search>();

  constructor(run: Run, explainer: Explainer) {
    this.#run = run;
    this.#explainer = explainer;
  }

  /** @returns undefined if the datagram has arrived, or held nothing that is looked for */
  of(lost: Datagram): Repair | undefined {
    if (lost.origin !== 'process' || !isLost(lost)) return undefined;
    if (isHandshake(lost)) return this.#copiesOf(lost);
    const search = this.#searchFor(lost);
    if (search === undefined) return undefined;
    const { datagrams } = this.#run.history;
    for (; search.missing.length > 0 && search.next < datagrams.length; search.next++) {
      const later = datagrams[search.next] as Datagram;
      if (later.lane !== lost.lane || later.target !== lost.target || later.origin !== 'process') continue;
      const left = this.#rangesOf(later).reduce(without, search.missing);
      if (left === search.missing) continue;
      search.missing = left;
      search.by.push(later);
    }
    return { by: search.by, isWhole: search.missing.length === 0 };
  }

  #copiesOf(lost: Datagram): Repair {
    const copy = this.#run.history.datagrams.find(
      ({ id, lane, target, origin, bytes }) =>
        id > lost.id &&
        lane === lost.lane &&
        target === lost.target &&
        origin === 'process' &&
        bytes[0] === lost.bytes[0],
    );
    return { by: copy === undefined ? [] : [copy], isWhole: copy !== undefined };
  }

  #searchFor(lost: Datagram): Search | undefined {
    const known = this.#searches.get(lost.id);
    if (known?.bytes === lost.bytes) return known;
    const missing = this.#rangesOf(lost);
    if (missing.length === 0) return undefined;
    const search = { bytes: lost.bytes, missing, next: lost.id, by: [] };
    this.#searches.set(lost.id, search);
    return search;
  }

  #rangesOf(datagram: Datagram): readonly StreamRange[] {
    const { opened } = this.#explainer.explain(datagram);
    return opened === undefined ? [] : streamRanges(opened.bytes);
  }
}

function isLost({ fate, refused }: Datagram): boolean {
  return fate === 'delivered' ? refused !== undefined : fate !== 'under-way';
}

function isHandshake({ bytes }: Datagram): boolean {
  return bytes[0] === MessageType.initiation || bytes[0] === MessageType.response;
}

/** The stream bytes in an opened datagram (spec streams 1). */
function streamRanges(opened: Uint8Array): StreamRange[] {
  const end = opened.length - TAG_BYTES;
  const at = HEADER_BYTES + 1;
  if (opened[0] !== MessageType.transport || end <= at || opened[HEADER_BYTES] !== PACKET_TYPE) return [];
  const reader = new FrameReader();
  reader.begin(opened, at + announcedVarintLength(opened[at] as number), end);
  const ranges: StreamRange[] = [];
  for (let type = reader.next(); type !== END && type !== MALFORMED; type = reader.next()) {
    if (type !== FrameType.stream && type !== FrameType.streamFin) continue;
    const { streamId, offset, dataLength } = reader;
    if (dataLength > 0) ranges.push({ streamId, start: offset, end: offset + dataLength });
  }
  return ranges;
}

/** @returns the same array if `ranges` has nothing of `taken` */
function without(ranges: readonly StreamRange[], taken: StreamRange): readonly StreamRange[] {
  const { streamId } = taken;
  const overlaps = (range: StreamRange) =>
    range.streamId === streamId && range.start < taken.end && taken.start < range.end;
  if (!ranges.some(overlaps)) return ranges;
  return ranges.flatMap((range) => {
    if (!overlaps(range)) return [range];
    const before = { streamId, start: range.start, end: taken.start };
    const after = { streamId, start: taken.end, end: range.end };
    return [before, after].filter(({ start, end }) => start < end);
  });
}
