import type { Address } from '@underpass/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  MAX_SEGMENTED_BYTES,
  MAX_SEGMENTS,
  type Outlet,
  PendingBatch,
  SendQueue,
  type SendQueueEvents,
} from '../src/send-queue.js';

const to: Address = { address: '192.0.2.1', port: 7 };

interface Call {
  readonly from: number;
  readonly bytes: number;
  readonly segmentBytes: number;
  readonly mayFragment: boolean;
  readonly to: unknown;
  readonly answer: (code?: string) => void;
}

/** A socket whose calls the test answers. */
class FakeOutlet implements Outlet {
  readonly options: { canSegment: boolean } | undefined;
  readonly calls: Call[] = [];
  isClosed = false;
  /** The system still has datagrams, so that no option may change. */
  isBusy = false;
  segmentBytes = 0;
  mayFragment = false;
  readonly socket = {
    send: (...parameters: unknown[]): void => {
      const [, from, bytes, port, address] = parameters as [Uint8Array, number, number, number, string];
      const callback = parameters.at(-1) as (error: Error | null) => void;
      this.calls.push({
        from,
        bytes,
        segmentBytes: this.segmentBytes,
        mayFragment: this.mayFragment,
        to: { address, port },
        answer: (code) => callback(code === undefined ? null : Object.assign(new Error(code), { code })),
      });
    },
  } as Outlet['socket'];

  constructor(canSegment: boolean | undefined) {
    this.options = canSegment === undefined ? undefined : { canSegment };
  }
  textOf({ address }: Address): string {
    return `text of ${address}`;
  }
  prepare(mayFragment: boolean | undefined, segmentBytes: number): boolean {
    const fragments = mayFragment ?? this.mayFragment;
    if (fragments === this.mayFragment && segmentBytes === this.segmentBytes) return true;
    if (this.isBusy) return false;
    this.mayFragment = fragments;
    this.segmentBytes = segmentBytes;
    return true;
  }
  /** Answers all calls up to now. */
  answerAll(code?: string): void {
    for (const call of this.calls.splice(0)) call.answer(code);
  }
  /** Takes the calls up to now, as the ranges of the buffer. */
  get ranges(): [number, number][] {
    return this.calls.map(({ from, bytes }) => [from, bytes]);
  }
}

let events: string[];
let done: PendingBatch[];
beforeEach(() => {
  events = [];
  done = [];
});

const recorder: SendQueueEvents = {
  onDone: (batch) => done.push(batch),
  onRefused: (where, error, bytes) => {
    expect(where).toBe(to);
    events.push(`refused ${bytes}: ${error.message}`);
  },
  onSegmentationLost: (code) => events.push(`lost segmentation: ${code}`),
};

function batchOf(lengthBytes: number, segmentBytes: number, mayFragment = false): PendingBatch {
  return Object.assign(new PendingBatch(), { lengthBytes, segmentBytes, mayFragment, to });
}

describe('a send queue', () => {
  it('has the system cut a batch in one call', () => {
    const outlet = new FakeOutlet(true);
    const queue = new SendQueue(outlet, recorder);
    const batch = batchOf(64_768, 1472);
    queue.send(batch);
    expect(outlet.calls).toMatchObject([
      { from: 0, bytes: 64_768, segmentBytes: 1472, to: { address: 'text of 192.0.2.1', port: 7 } },
    ]);
    expect(done).toEqual([]);
    outlet.answerAll();
    expect(done).toEqual([batch]);
  });

  it('gives the system no more than it cuts in one call', () => {
    const outlet = new FakeOutlet(true);
    const queue = new SendQueue(outlet, recorder);
    queue.send(batchOf(65_536, 500));
    queue.send(batchOf(65_520, 1456));
    expect(outlet.ranges).toEqual([
      [0, 64 * 500],
      [64 * 500, 64 * 500],
      [128 * 500, 65_536 - 128 * 500],
      [0, 44 * 1456],
      [44 * 1456, 1456],
    ]);
    for (const { bytes, segmentBytes } of outlet.calls) {
      expect(bytes).toBeLessThanOrEqual(MAX_SEGMENTED_BYTES);
      expect(bytes).toBeLessThanOrEqual(MAX_SEGMENTS * segmentBytes);
    }
  });

  it.each([
    ['the most that it cuts by count', 64 * 500, 500, [64 * 500], 500],
    ['one more', 64 * 500 + 1, 500, [64 * 500, 1], 500],
    ['the most that it cuts by bytes', 65_000, 1300, [65_000], 1300],
    ['one byte more', 65_001, 1300, [65_000, 1], 1300],
    ['two that it cannot cut in one call', 65_002, 32_501, [32_501, 32_501], 0],
    ['two that it can just cut', 65_000, 32_500, [65_000], 32_500],
    ['one datagram', 65_507, 65_507, [65_507], 0],
  ])('has the system cut only what it can: %s', (_what, lengthBytes, segmentBytes, calls, cutInto) => {
    const outlet = new FakeOutlet(true);
    new SendQueue(outlet, recorder).send(batchOf(lengthBytes, segmentBytes));
    expect(outlet.calls.map(({ bytes }) => bytes)).toEqual(calls);
    expect(outlet.segmentBytes).toBe(cutInto);
  });

  it('changes whether datagrams may be fragmented only for those that are large enough (spec mtu 1.4)', () => {
    const outlet = new FakeOutlet(true);
    const queue = new SendQueue(outlet, recorder);
    for (const [bytes, mayFragment] of [
      [548, true],
      [549, true],
      [548, false],
      [549, false],
    ] as const) {
      queue.send(batchOf(bytes, bytes, mayFragment));
    }
    expect(outlet.calls.map(({ bytes, mayFragment }) => [bytes, mayFragment])).toEqual([
      [548, false],
      [549, true],
      [548, true],
      [549, false],
    ]);
  });

  it.each([
    ['by Node', undefined],
    ['on a system that cannot cut', false],
  ])('sends each datagram in a call of its own, opened %s', (_where, canSegment) => {
    const outlet = new FakeOutlet(canSegment);
    const queue = new SendQueue(outlet, recorder);
    queue.send(batchOf(3_900, 1472));
    expect(queue.segments).toBe(false);
    expect(outlet.ranges).toEqual([
      [0, 1472],
      [1472, 1472],
      [2944, 956],
    ]);
  });

  it('never has a probe of the path MTU cut, even behind smaller datagrams (spec mtu 2.1)', () => {
    const outlet = new FakeOutlet(true);
    const queue = new SendQueue(outlet, recorder);
    queue.send(batchOf(3_456, 1152));
    queue.send(batchOf(1472, 1472));
    expect(outlet.calls).toMatchObject([
      { bytes: 3_456, segmentBytes: 1152 },
      { bytes: 1472, segmentBytes: 0 },
    ]);
  });

  it('keeps batches in order while the system has datagrams that need other options', () => {
    const outlet = new FakeOutlet(true);
    const queue = new SendQueue(outlet, recorder);
    queue.send(batchOf(3_456, 1152));
    outlet.isBusy = true;
    queue.send(batchOf(1472, 1472));
    queue.send(batchOf(3_456, 1152));
    expect(outlet.calls.length).toBe(1);
    outlet.isBusy = false;
    outlet.answerAll();
    expect(outlet.calls.map(({ segmentBytes }) => segmentBytes)).toEqual([0, 1152]);
  });

  it.each(['EIO', 'EINVAL', 'EMSGSIZE'])(
    'loses nothing when the system refuses to cut with %s, and cuts nothing from then on',
    (code) => {
      const outlet = new FakeOutlet(true);
      const queue = new SendQueue(outlet, recorder);
      const batch = batchOf(3_900, 1472);
      queue.send(batch);
      outlet.answerAll(code);
      expect(done).toEqual([]);
      expect(outlet.calls.map(({ from, bytes, segmentBytes }) => [from, bytes, segmentBytes])).toEqual([
        [0, 1472, 0],
        [1472, 1472, 0],
        [2944, 956, 0],
      ]);
      outlet.answerAll();
      expect(done).toEqual([batch]);
      expect(events).toEqual([`lost segmentation: ${code}`]);
      expect(queue.segments).toBe(false);
      queue.send(batchOf(2944, 1472));
      expect(outlet.ranges).toEqual([
        [0, 1472],
        [1472, 1472],
      ]);
      outlet.answerAll();
      expect(events.length).toBe(1);
    },
  );

  it.each<[(string | undefined)[], [number, number][]]>([
    [[undefined, 'EIO'], [[64_000, 1000]]],
    [['EIO', undefined], Array.from({ length: 64 }, (_, i) => [1000 * i, 1000])],
  ])('sends again only the part that was refused: %j', (answers, ranges) => {
    const outlet = new FakeOutlet(true);
    const queue = new SendQueue(outlet, recorder);
    queue.send(batchOf(1000 * 65, 1000));
    for (const [i, call] of outlet.calls.splice(0).entries()) call.answer(answers[i]);
    expect(outlet.ranges).toEqual(ranges);
  });

  it('sends again all from the first part that was refused to the last, before what came later', () => {
    const outlet = new FakeOutlet(true);
    const queue = new SendQueue(outlet, recorder);
    const [batch, later] = [batchOf(65_000, 500), batchOf(2944, 1472)];
    queue.send(batch);
    outlet.isBusy = true;
    queue.send(later);
    const [first, second, third] = outlet.calls.splice(0);
    first?.answer();
    second?.answer('EIO');
    expect(outlet.calls).toEqual([]);
    outlet.isBusy = false;
    third?.answer('EIO');
    const sizes = outlet.calls.map(({ from, bytes }) => [from, bytes]);
    expect([sizes.length, sizes[0], sizes.at(-2)]).toEqual([67, [32_000, 500], [64_500, 500]]);
    // The later batch was to be cut when it was sent, so it is.
    expect(outlet.calls.at(-1)).toMatchObject({ from: 0, bytes: 2944, segmentBytes: 1472 });
    expect(done).toEqual([]);
    outlet.answerAll();
    expect(done).toEqual([batch, later]);
  });

  it('goes on cutting when single datagrams are too large as well, and reports each (spec mtu 4.4)', () => {
    const outlet = new FakeOutlet(true);
    const queue = new SendQueue(outlet, recorder);
    queue.send(batchOf(3_900, 1472));
    outlet.answerAll('EMSGSIZE');
    const [first, second, last] = outlet.calls.splice(0);
    first?.answer('EMSGSIZE');
    second?.answer('EMSGSIZE');
    last?.answer();
    expect(events).toEqual(['refused 1472: EMSGSIZE', 'refused 1472: EMSGSIZE']);
    expect(queue.segments).toBe(true);
    expect(done.length).toBe(1);
  });

  // A device that computes no checksums cuts nothing, however the single datagrams get through.
  it.each([
    ['EINVAL', true],
    ['EMSGSIZE', true],
    ['EIO', false],
  ])('after %s, single datagrams that got through in fragments leave it cutting: %s', (code, segments) => {
    const outlet = new FakeOutlet(true);
    const queue = new SendQueue(outlet, recorder);
    queue.send(batchOf(3_456, 1152, true));
    outlet.answerAll(code);
    outlet.answerAll();
    expect(queue.segments).toBe(segments);
    expect(events).toEqual(segments ? [] : ['lost segmentation: EIO']);
    expect(done.length).toBe(1);
  });

  it('reports once that nothing is cut, although several batches were refused', () => {
    const outlet = new FakeOutlet(true);
    const queue = new SendQueue(outlet, recorder);
    queue.send(batchOf(2944, 1472));
    queue.send(batchOf(2944, 1472));
    const [first, second] = outlet.calls.splice(0);
    first?.answer('EIO');
    second?.answer('EIO');
    outlet.answerAll();
    expect(events).toEqual(['lost segmentation: EIO']);
    expect(done.length).toBe(2);
  });

  it('judges a batch that is used again by its new answers alone', () => {
    const outlet = new FakeOutlet(true);
    const queue = new SendQueue(outlet, recorder);
    const batch = batchOf(3_000, 1472);
    queue.send(batch);
    outlet.answerAll('EMSGSIZE');
    outlet.answerAll('EMSGSIZE');
    expect(events.splice(0)).toEqual([
      'refused 1472: EMSGSIZE',
      'refused 1472: EMSGSIZE',
      'refused 56: EMSGSIZE',
    ]);
    queue.send(batch);
    outlet.answerAll();
    expect([events, queue.segments, done.length]).toEqual([[], true, 2]);
    queue.send(batch);
    outlet.answerAll('EINVAL');
    outlet.answerAll();
    expect([events, queue.segments, done.length]).toEqual([['lost segmentation: EINVAL'], false, 3]);
  });

  it('reports other errors without sending again', () => {
    const outlet = new FakeOutlet(true);
    const queue = new SendQueue(outlet, recorder);
    queue.send(batchOf(3_900, 1472));
    outlet.answerAll('ENETUNREACH');
    expect(events).toEqual(['refused 1472: ENETUNREACH']);
    expect(outlet.calls).toEqual([]);
    expect(done.length).toBe(1);
  });

  it('gives back what waits when the socket closes', () => {
    const outlet = new FakeOutlet(true);
    const queue = new SendQueue(outlet, recorder);
    queue.send(batchOf(3_456, 1152));
    outlet.isBusy = true;
    const waiting = [batchOf(1472, 1472), batchOf(1473, 1473), batchOf(1474, 1474)];
    for (const batch of waiting) queue.send(batch);
    outlet.isClosed = true;
    outlet.answerAll('ECANCELED');
    expect(done.slice(1)).toEqual(waiting);
    expect(done.length).toBe(4);
    queue.send(batchOf(1472, 1472));
    expect(done.length).toBe(5);
    expect(outlet.calls).toEqual([]);
  });
});
