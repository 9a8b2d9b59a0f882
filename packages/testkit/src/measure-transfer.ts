/** Measures uploads over one link in virtual time: how congestion controllers use a path, alone or together. */
import type { CongestionControllerName, Peer, Stream } from '@underpass/protocol';
import { createEndpointPair } from './endpoint-pair.js';
import { EventQueue } from './simulation/event-queue.js';
import { type LinkConditions, PERFECT_LINK, type Side } from './simulation/network-conditions.js';
import { Pair } from './simulation/pair.js';
import { SeededRandom } from './simulation/seeded-random.js';
import { idleLinks, type Links } from './simulation/simulated-network.js';

export interface LinkOfTransfers {
  /** The round trip without the queue. */
  readonly roundTripMs: number;
  readonly bytesPerMs: number;
  readonly queueMs: number;
  /** Per datagram, in both directions. */
  readonly lossChance: number;
  readonly durationMs: number;
  /** How the delay in each direction varies. By default it does not. */
  readonly jitter?: Jitter;
  /** How the sending and the receiving process stall. By default they do not. */
  readonly stalls?: { readonly sender?: Stalls; readonly receiver?: Stalls };
  readonly seed?: number;
}

/** Random stalls of a process that shares its core with others. */
export interface Stalls {
  /** The mean time from the end of one stall to the next, drawn uniformly. */
  readonly meanGapMs: number;
  /** A stall lasts this long times the square of a uniform draw, a third of it on average. */
  readonly longestMs: number;
}

export interface Jitter {
  /** `drift` and `sine` delay all datagrams together and keep their order. `independent` draws for each datagram, so
   *  that they are reordered. */
  readonly kind: 'drift' | 'sine' | 'independent';
  /** Above and below half the round trip, in each direction. */
  readonly spreadMs: number;
}

export interface TransferConditions extends LinkOfTransfers {
  readonly congestion: CongestionControllerName;
}

export interface TransferSample {
  readonly atMs: number;
  /** How fast the receiving application has read since the last sample, in bytes per millisecond. */
  readonly goodput: number;
  readonly windowBytes: number;
}

export interface TransferResult {
  /** Bytes that the receiving application read. */
  readonly bytes: number;
  /** When it had read the first megabyte, or undefined. */
  readonly firstMegabyteMs: number | undefined;
  readonly packetsLost: number;
  readonly samples: readonly TransferSample[];
}

const SAMPLE_MS = 100;
const SINE_PERIOD_MS = 600;
const MEGABYTE = 1_000_000;
/** Like a process in a JavaScript runtime, whose timers have a grain of a millisecond. */
const TIMING = { turnDelayMs: 0.1, timerGrainMs: 1 };

export function measureTransfer(conditions: TransferConditions): TransferResult {
  const [result] = measureTransfers(conditions, [conditions]);
  return result as TransferResult;
}

/** Runs each transfer in its own tunnel, all over the same link. */
export interface SharingTransfer {
  readonly congestion: CongestionControllerName;
  /** When it starts; the default is at once. */
  readonly startMs?: number;
}

export function measureTransfers(
  link: LinkOfTransfers,
  transfers: readonly SharingTransfer[],
): TransferResult[] {
  const shared = { queue: new EventQueue(), links: idleLinks() };
  const random = new SeededRandom(link.seed ?? 1);
  const uploads = transfers.map(({ congestion, startMs = 0 }, i) => {
    const upload = new Upload(link, congestion, i === 0 ? random : random.derive(`upload ${i}`), shared);
    shared.queue.schedule(startMs, () => upload.start());
    return upload;
  });
  for (let atMs = SAMPLE_MS; atMs <= link.durationMs; atMs += SAMPLE_MS) {
    // They share one clock, so running one of them advances all.
    uploads[0]?.pair.run(atMs);
    for (const upload of uploads) upload.takeSample(atMs);
  }
  return uploads.map((upload) => upload.result());
}

function delays(
  delayMs: number,
  { kind, spreadMs }: Jitter = { kind: 'independent', spreadMs: 0 },
): Pick<LinkConditions, 'delayMs' | 'jitterMs' | 'wander'> {
  if (kind === 'independent') {
    return { delayMs: delayMs - spreadMs, jitterMs: 2 * spreadMs, wander: undefined };
  }
  const periodMs = kind === 'sine' ? SINE_PERIOD_MS : undefined;
  return { delayMs, jitterMs: 0, wander: { spreadMs, periodMs } };
}

/** One upload from a client to a relay that reads everything at once. It owns a pair of endpoints on the shared link
 *  and clock, stalls the two processes as configured, and records samples of its progress. */
class Upload {
  readonly pair: Pair;
  readonly #peer: Peer;
  #stream: Stream | undefined;
  readonly #chunk = new Uint8Array(65_536);
  readonly #samples: TransferSample[] = [];
  #bytes = 0;
  #sampledBytes = 0;
  #firstMegabyteMs: number | undefined;

  constructor(
    { bytesPerMs, queueMs, lossChance, roundTripMs, jitter, stalls = {} }: LinkOfTransfers,
    congestion: CongestionControllerName,
    random: SeededRandom,
    shared: { readonly queue: EventQueue; readonly links: Links },
  ) {
    const link = {
      ...PERFECT_LINK,
      ...delays(roundTripMs / 2, jitter),
      lossChance,
      bytesPerMs,
      queueBytes: queueMs * bytesPerMs,
    };
    this.pair = new Pair({
      network: { toRelay: link, toClient: link, moves: [] },
      random: random.derive('pair'),
      timing: TIMING,
      shared,
      onViolation: (violation) => {
        throw new Error(violation);
      },
      onEvent: (side, event) => {
        if (side === 'client' && event.type === 'stream-writable') this.#pour();
        if (side === 'relay' && (event.type === 'stream-opened' || event.type === 'stream-readable')) {
          this.#drain(event.stream);
        }
      },
    });
    const { client, relay, peer } = createEndpointPair(random, () => this.pair.now, { congestion });
    this.#peer = peer;
    this.pair.setEndpoint('relay', relay);
    this.pair.setEndpoint('client', client);
    const { sender, receiver } = stalls;
    if (sender !== undefined) this.#stall('client', sender, random.derive('client stalls'));
    if (receiver !== undefined) this.#stall('relay', receiver, random.derive('relay stalls'));
  }

  start(): void {
    this.#peer.connect(this.pair.now);
    this.#stream = this.#peer.openStream();
    this.#pour();
    this.pair.wake('client');
  }

  takeSample(atMs: number): void {
    this.#samples.push({
      atMs,
      goodput: (this.#bytes - this.#sampledBytes) / SAMPLE_MS,
      windowBytes: this.#peer.stats().congestionWindowBytes,
    });
    this.#sampledBytes = this.#bytes;
  }

  result(): TransferResult {
    return {
      bytes: this.#bytes,
      firstMegabyteMs: this.#firstMegabyteMs,
      packetsLost: this.#peer.stats().packetsLost,
      samples: this.#samples,
    };
  }

  #stall(side: Side, stalls: Stalls, random: SeededRandom): void {
    const { queue } = this.pair;
    queue.schedule(queue.now + random.between(0, 2 * stalls.meanGapMs), () => {
      const endsAt = queue.now + stalls.longestMs * random.fraction() ** 2;
      this.pair.freeze(side, endsAt);
      queue.schedule(endsAt, () => this.#stall(side, stalls, random));
    });
  }

  #pour(): void {
    while (this.#stream?.write(this.#chunk) === this.#chunk.length);
  }

  #drain(stream: Stream): void {
    for (let read = stream.read(); read !== undefined; read = stream.read()) this.#bytes += read.length;
    if (this.#bytes >= MEGABYTE) this.#firstMegabyteMs ??= this.pair.now;
  }
}
