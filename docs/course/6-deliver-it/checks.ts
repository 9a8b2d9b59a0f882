/** Checks of step 6, in virtual time: an event queue is the clock and the network. */
import { type Check, expectThat, sameBytes, sampleBytes } from '../check.ts';
import type { AckPacket, DataPacket, Receiver, Sender } from './reliable.ts';

interface Step {
  readonly Sender: typeof Sender;
  readonly Receiver: typeof Receiver;
}

interface Weather {
  /** What happens to the n-th data packet: the delays in ms after which it arrives. None: it is lost. */
  readonly data?: (n: number) => readonly number[];
  readonly acks?: (n: number) => readonly number[];
  /** When the program at the receiving end begins to read. */
  readonly readsFromMs?: number;
}

const DELAY_MS = 20;
const DEADLINE_MS = 300_000;
const WINDOW_BYTES = 65_536;

export const checks: readonly Check<Step>[] = [
  {
    title: 'delivers 200 kB when nothing goes wrong, and sends nothing twice',
    run: (step) => {
      const { sent, pieces } = transfer(step, sampleBytes(200_000), {
        // One behind the other, and every second overtakes its neighbour.
        data: (n) => [DELAY_MS + 0.01 * n + (n % 2 === 0 ? 0.015 : 0)],
      });
      expectThat(
        sent <= 1.1 * pieces,
        `${pieces} pieces took ${sent} packets, though none was lost: packets that overtake each other are not lost packets`,
      );
    },
  },
  {
    title: 'delivers every byte once when everything comes twice',
    run: (step) => {
      transfer(step, sampleBytes(50_000), {
        data: () => [DELAY_MS, DELAY_MS + 35],
        acks: () => [DELAY_MS, DELAY_MS + 50],
      });
    },
  },
  {
    title: 'delivers through 20 % loss, reordering and repetition',
    run: (step) => {
      for (let seed = 1; seed <= 5; seed++) {
        const random = seededRandom(seed);
        const bad = (): number[] => {
          if (random() < 0.2) return [];
          const delay = DELAY_MS + random() * 30;
          return random() < 0.1 ? [delay, delay + random() * 100] : [delay];
        };
        transfer(step, sampleBytes(100_000, seed), { data: bad, acks: bad });
      }
    },
  },
  {
    title: 'notices that the very last packet was lost',
    run: (step) => {
      const { endMs } = transfer(step, sampleBytes(2_500), { data: (n) => (n === 2 ? [] : [DELAY_MS]) });
      expectThat(
        endMs < 5_000,
        `the last packet was lost once, and the stream ended after ${(endMs / 1000).toFixed(0)} s. ` +
          'Nothing follows the last packet that could reveal the loss: a timer must, after a few round trips',
      );
    },
  },
  {
    title: 'waits for a program that reads nothing, and goes on when it does',
    run: (step) => {
      // The acknowledgements that say "there is room again" are lost for a while.
      let since = 0;
      const { mostHeld } = transfer(step, sampleBytes(200_000), {
        readsFromMs: 10_000,
        acks: () => (++since > 66 && since < 70 ? [] : [DELAY_MS]),
      });
      expectThat(
        mostHeld <= WINDOW_BYTES,
        `the program read nothing, and ${mostHeld} bytes were sent to it: a sender must not go beyond the limit of the last ACK`,
      );
    },
  },
  {
    title: 'does not believe an ACK of packets that were never sent',
    run: ({ Sender: Step, Receiver: Other }) => {
      const sender = new Step();
      const bytes = sampleBytes(30_000);
      sender.write(bytes, true);
      for (let i = 0; i < 10; i++) sender.poll(0); // all lost
      sender.handleAck({ ranges: [[0, 1_000]], limit: 1_000_000 }, 40);
      const received = run(sender, new Other(), {}, 100).received;
      expectThat(
        sameBytes(received, bytes),
        'a forged ACK of packets 0 to 1000, of which 10 had been sent, made the sender forget bytes that never arrived. ' +
          'Such an ACK comes from a bug or an attack (optimistic ACK): ignore it as a whole',
      );
    },
  },
];

function transfer({ Sender: S, Receiver: R }: Step, bytes: Uint8Array, weather: Weather) {
  const sender = new S();
  const result = run(sender, new R(), weather, 0, bytes);
  const { received, isFinished } = result;
  const at = received.findIndex((byte, i) => byte !== bytes[i]);
  expectThat(
    at < 0 && received.length <= bytes.length,
    at < 0
      ? `${bytes.length} bytes were written and ${received.length} read: something was delivered twice`
      : `byte ${at} of the stream is wrong: bytes were left out, repeated or put into the wrong place`,
  );
  expectThat(
    received.length === bytes.length && isFinished,
    `only ${received.length} of ${bytes.length} bytes arrived${isFinished ? '' : ', and the end did not'}: then neither side had ` +
      'anything left to do, or five minutes had passed',
  );
  return { ...result, pieces: Math.ceil(bytes.length / 1_000) };
}

/** Runs both sides until nothing is left to do. */
function run(
  sender: Sender,
  receiver: Receiver,
  weather: Weather,
  startMs = 0,
  bytes: Uint8Array = new Uint8Array(0),
) {
  const events: { readonly atMs: number; readonly happen: () => void }[] = [];
  const after = (delays: readonly number[], happen: () => void): void => {
    for (const delay of delays) events.push({ atMs: nowMs + delay, happen });
  };
  let nowMs = startMs;
  let written = 0;
  let sent = 0;
  let acks = 0;
  let held = 0;
  let mostHeld = 0;
  const received: Uint8Array[] = [];
  const offsets = new Set<number>();
  const { readsFromMs = 0 } = weather;
  if (readsFromMs > 0) events.push({ atMs: readsFromMs, happen: () => {} });
  while (nowMs < DEADLINE_MS && !receiver.isFinished) {
    if (written < bytes.length) written += sender.write(bytes.subarray(written), true);
    for (let packet = sender.poll(nowMs); packet !== undefined; packet = sender.poll(nowMs)) {
      const arriving: DataPacket = packet;
      after((weather.data ?? (() => [DELAY_MS]))(sent++), () => {
        receiver.handlePacket(arriving);
        if (!offsets.has(arriving.offset)) held += arriving.bytes.length;
        offsets.add(arriving.offset);
        if (nowMs < readsFromMs) mostHeld = Math.max(mostHeld, held);
      });
    }
    if (nowMs >= readsFromMs) {
      for (let piece = receiver.read(); piece !== undefined; piece = receiver.read()) received.push(piece);
    }
    const ack: AckPacket | undefined = receiver.pollAck();
    if (ack !== undefined)
      after((weather.acks ?? (() => [DELAY_MS]))(acks++), () => sender.handleAck(ack, nowMs));
    events.sort((a, b) => a.atMs - b.atMs);
    const timeoutMs = sender.nextTimeoutMs() ?? Number.POSITIVE_INFINITY;
    const nextMs = Math.min(events[0]?.atMs ?? Number.POSITIVE_INFINITY, timeoutMs);
    if (nextMs === Number.POSITIVE_INFINITY) break;
    nowMs = Math.max(nowMs, nextMs);
    while ((events[0]?.atMs ?? Number.POSITIVE_INFINITY) <= nowMs) events.shift()?.happen();
    if (timeoutMs <= nowMs) sender.handleTimeout(nowMs);
  }
  return { received: Buffer.concat(received), isFinished: receiver.isFinished, sent, mostHeld, endMs: nowMs };
}

function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
