/** One upload over one link in virtual time: what a congestion controller makes of a path. */
import { type CongestionControllerName, Endpoint, type Stream } from '@underpass/protocol';
import { Pair } from './pair.js';
import { createInsecureTestSuite } from './plain-suite.js';
import { SeededRandom } from './seeded-random.js';
import { PERFECT_LINK, RELAY_ADDRESS } from './simulated-network.js';

export interface TransferConditions {
  readonly congestion: CongestionControllerName;
  /** There and back, without the queue. */
  readonly roundTripMs: number;
  readonly bytesPerMs: number;
  readonly queueMs: number;
  /** Of each datagram, in both directions. */
  readonly lossChance: number;
  readonly durationMs: number;
}

export interface TransferSample {
  readonly atMs: number;
  /** What the receiving application read since the last sample, in bytes per millisecond. */
  readonly goodput: number;
  readonly windowBytes: number;
}

export interface TransferResult {
  /** Bytes that the receiving application read. */
  readonly bytes: number;
  /** When it had the first megabyte, or undefined. */
  readonly firstMegabyteMs: number | undefined;
  readonly packetsLost: number;
  readonly samples: readonly TransferSample[];
}

const SAMPLE_MS = 100;
const MEGABYTE = 1_000_000;
/** As a process of a JavaScript runtime runs: its timers have a grain of a millisecond. */
const TIMING = { turnDelayMs: 0.1, timerGrainMs: 1 };
const UNIX_MS = 1_700_000_000_000;

export function measureTransfer(conditions: TransferConditions): TransferResult {
  const { bytesPerMs, queueMs, lossChance, roundTripMs, congestion, durationMs } = conditions;
  const link = {
    ...PERFECT_LINK,
    delayMs: roundTripMs / 2,
    lossChance,
    bytesPerMs,
    queueBytes: queueMs * bytesPerMs,
  };
  const random = new SeededRandom(1);
  const suite = createInsecureTestSuite();
  const chunk = new Uint8Array(65_536);
  let bytes = 0;
  let firstMegabyteMs: number | undefined;
  let upload: Stream | undefined;
  const pair = new Pair({
    network: { toRelay: link, toClient: link, moves: [] },
    random: random.derive('pair'),
    timing: TIMING,
    onViolation: (violation) => {
      throw new Error(violation);
    },
    onEvent: (side, event) => {
      if (side === 'client' && event.type === 'stream-writable') pour();
      if (side !== 'relay' || (event.type !== 'stream-opened' && event.type !== 'stream-readable')) return;
      for (let read = event.stream.read(); read !== undefined; read = event.stream.read())
        bytes += read.length;
      if (bytes >= MEGABYTE) firstMegabyteMs ??= pair.now;
    },
  });
  const pour = (): void => {
    while (upload?.write(chunk) === chunk.length);
  };
  const keys = { client: random.bytes(32), relay: random.bytes(32) };
  const start = (role: 'client' | 'relay') => {
    const draws = random.derive(role);
    return new Endpoint({
      role,
      privateKey: keys[role],
      suite,
      random: (length) => draws.bytes(length),
      unixTimeMs: () => UNIX_MS + pair.now,
      transport: { congestion },
    });
  };
  const client = start('client');
  const relay = start('relay');
  const peer = client.addPeer({ publicKey: relay.publicKey, address: RELAY_ADDRESS });
  relay.addPeer({ publicKey: client.publicKey });
  pair.setEndpoint('relay', relay);
  peer.connect(0);
  upload = peer.openStream();
  pour();
  pair.setEndpoint('client', client);
  const samples: TransferSample[] = [];
  for (let atMs = SAMPLE_MS; atMs <= durationMs; atMs += SAMPLE_MS) {
    const before = bytes;
    pair.run(atMs);
    samples.push({
      atMs,
      goodput: (bytes - before) / SAMPLE_MS,
      windowBytes: peer.stats().congestionWindowBytes,
    });
  }
  return { bytes, firstMegabyteMs, packetsLost: peer.stats().packetsLost, samples };
}
