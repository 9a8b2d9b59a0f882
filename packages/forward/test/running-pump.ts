/** A pump between one end of a pair of sockets and a stream whose other end is the test. */
import type { Socket } from 'node:net';
import { IdleWatch } from '../src/idle-watch.js';
import { Pump, type PumpOptions, type PumpSummary } from '../src/pump.js';
import { isGone, SocketWatch } from '../src/socket-watch.js';
import { FakeStream } from './fake-stream.js';
import { FakeTimers } from './fake-timers.js';
import { socketPair } from './sockets.js';

export async function setUp(
  stream = new FakeStream(),
  timers = new FakeTimers(),
  options: Pick<PumpOptions, 'limit'> = {},
) {
  const { ours, theirs } = await socketPair();
  const watch = new SocketWatch(timers, new IdleWatch({ timers, now: timers.now }));
  let ended: (summary: PumpSummary) => void;
  const end = new Promise<PumpSummary>((resolve) => {
    ended = resolve;
  });
  let ends = 0;
  const pump = new Pump({
    socket: ours,
    stream,
    watch,
    ...options,
    wake: () => undefined,
    onEnd: (summary) => {
      ends++;
      ended(summary);
    },
  });
  return { ours, theirs, stream, pump, end, ends: () => ends, timers, watch };
}

/** Starts the pump and fills the stream, so that the socket is not read. */
export async function pauseReading(pump: Pump, stream: FakeStream, theirs: Socket): Promise<void> {
  stream.room = 1;
  pump.start();
  theirs.resume();
  await written(theirs, 'xx');
  await stream.until(() => stream.room === 0);
}

/** Resolves when the kernel has taken it. */
export function written(socket: Socket, bytes: string): Promise<void> {
  return new Promise((resolve) => socket.write(bytes, () => resolve()));
}

/** Resolves when the kernel has given up the connection. */
export async function untilGone(socket: Socket): Promise<void> {
  for (let turns = 0; !isGone(socket); turns++) {
    if (turns > 10_000) throw new Error('the other end is still there');
    await new Promise((resolve) => setImmediate(resolve));
  }
}
