/** Sums that are kept beside the facts that they count. A sum that drifts makes a limit hold too early, or never. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PacketState } from '../../src/transport/recovery/packet-log.js';
import { ConnectionStream } from '../../src/transport/streams/stream.js';
import { ack, data, HostilePeer, maxData, maxStreamData, reset, stop } from '../attacks/hostile-peer.js';

const LARGE = 2 ** 40;

type Step =
  | { readonly kind: 'open' }
  | { readonly kind: 'write' | 'finish' | 'reset' | 'stopSending' | 'read'; readonly stream: number }
  | { readonly kind: 'arrive'; readonly stream: number; readonly offset: number; readonly length: number }
  | { readonly kind: 'peerResets' | 'peerStops'; readonly stream: number }
  | { readonly kind: 'send' }
  | { readonly kind: 'acknowledge'; readonly share: number }
  | { readonly kind: 'wait'; readonly ms: number };

const nth = fc.nat(7);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.constant({ kind: 'open' } as const),
  fc.record({
    kind: fc.constantFrom('write', 'write', 'write', 'finish', 'reset', 'stopSending', 'read'),
    stream: nth,
  }),
  fc.record({ kind: fc.constant('arrive'), stream: nth, offset: fc.nat(8000), length: fc.nat(1000) }),
  fc.record({ kind: fc.constantFrom('peerResets', 'peerStops'), stream: nth }),
  fc.constant({ kind: 'send' } as const),
  fc.record({ kind: fc.constant('acknowledge'), share: fc.nat(100) }),
  fc.record({ kind: fc.constant('wait'), ms: fc.nat(400) }),
) as fc.Arbitrary<Step>;

/** A connection with streams of both sides, to which random things happen. */
class Run {
  readonly peer = new HostilePeer();
  readonly #own: ConnectionStream[] = [];
  readonly #unacknowledged: number[] = [];

  constructor() {
    this.peer.say(maxData(LARGE));
  }

  get streams(): ConnectionStream[] {
    return [...this.#own, ...this.peer.opened].filter((stream) => stream instanceof ConnectionStream);
  }

  do(step: Step): void {
    const { peer } = this;
    const all = this.streams;
    const stream = 'stream' in step ? all[step.stream % Math.max(all.length, 1)] : undefined;
    switch (step.kind) {
      case 'open': {
        const opened = peer.open() as ConnectionStream;
        this.#own.push(opened);
        opened.write(new Uint8Array(100));
        break;
      }
      case 'write':
        if (stream !== undefined && !stream.sending.isFinished) stream.write(new Uint8Array(5000));
        if (stream !== undefined && !stream.isUnsent) peer.say(maxStreamData(stream.id, LARGE));
        break;
      case 'finish':
        stream?.finish();
        break;
      case 'reset':
        stream?.reset(0);
        break;
      case 'stopSending':
        stream?.stopSending(0);
        break;
      case 'read':
        while (stream?.read() !== undefined);
        break;
      case 'arrive':
        peer.say(data(2 * step.stream, step.offset, step.length));
        break;
      case 'peerResets':
        if (peer.opened[step.stream] !== undefined) peer.say(reset(2 * step.stream, 9000));
        break;
      case 'peerStops':
        if (peer.opened[step.stream] !== undefined) peer.say(stop(2 * step.stream));
        break;
      case 'send':
        this.#send();
        break;
      case 'acknowledge':
        this.#acknowledge(step.share);
        break;
      case 'wait':
        peer.now += step.ms;
        peer.victim.handleTimeout(peer.now);
        this.#send();
    }
  }

  #send(): void {
    const from = this.peer.received.length;
    this.peer.listen();
    this.#unacknowledged.push(...this.peer.received.slice(from));
  }

  /** Acknowledges a share of the packets in flight, here and there. The others may count as lost by that. */
  #acknowledge(share: number): void {
    const numbers = this.#unacknowledged.filter((n) => (n * 37) % 100 < share);
    for (const number of numbers) this.peer.say(ack(number, number));
    const left = this.#unacknowledged.filter((n) => !numbers.includes(n));
    this.#unacknowledged.splice(0, this.#unacknowledged.length, ...left);
  }
}

const sum = (numbers: Iterable<number>) => [...numbers].reduce((total, number) => total + number, 0);

function expectSums({ peer, streams }: Run): void {
  const { recovery, streams: set } = peer.victim.parts;
  const { log } = recovery;
  const outstanding: number[] = [];
  for (let n = log.first; n < log.next; n++) {
    if (log.state[log.slot(n)] === PacketState.outstanding) outstanding.push(log.slot(n));
  }
  const open = streams.filter((stream) => !stream.isClosed);
  expect({
    inFlight: recovery.bytesInFlight,
    frames: log.frames.count >= sum(outstanding.map((i) => log.frameCount[i] as number)),
    buffered: set.sending.bufferedBytes,
    pieces: set.sending.notedPieces,
  }).toEqual({
    inFlight: sum(outstanding.map((i) => log.size[i] as number)),
    frames: true,
    buffered: sum(open.map(({ sending }) => sending.buffer.bufferedBytes)),
    pieces: sum(open.map(({ sending }) => sending.buffer.notedPieces)),
  });
}

describe('the sums of a connection', () => {
  it('agree with its streams and packets, whatever happens', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const run = new Run();
        for (const each of steps) {
          run.do(each);
          expectSums(run);
        }
      }),
      { numRuns: 60, seed: 11 },
    );
  });
});
