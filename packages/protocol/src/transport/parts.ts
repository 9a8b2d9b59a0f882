/** The parts that a connection composes. */
import { assert } from '../assert.js';
import type { TransportConfig } from './config.js';
import { Bbr } from './congestion/bbr/bbr.js';
import type { CongestionController } from './congestion/controller.js';
import { Cubic } from './congestion/cubic.js';
import { NewReno } from './congestion/new-reno.js';
import { Pacer } from './congestion/pacer.js';
import {
  CLIENT_MAX_PTO_MS,
  INITIAL_MAX_DATA_BYTES,
  INITIAL_MAX_STREAMS,
  MAX_TURN_BYTES,
  OPENING_WINDOW_BYTES,
  RELAY_MAX_PTO_MS,
  TURN_MS,
} from './limits.js';
import { Liveness } from './liveness.js';
import { MtuSearch } from './path/mtu-search.js';
import type { PeerBudgets } from './peer-budgets.js';
import { PendingFrames } from './pending-frames.js';
import { DeliveryRate } from './recovery/delivery-rate.js';
import { ReceivedPackets } from './recovery/received-packets.js';
import { Recovery } from './recovery/recovery.js';
import { StreamSet } from './streams/stream-set.js';
import { TailRepeater } from './tail-repeater.js';

/** How many congestion windows a stream may buffer for sending. Data stays buffered until the oldest hole before it is
 *  filled, which takes several round trips on a path that loses packets. */
const SEND_AHEAD_WINDOWS = 6;

/** Everything that a connection consists of. Apart from the few that are passed to others here, the parts do not know
 *  each other: the connection and its neighbours in this folder join them. */
export interface ConnectionParts {
  readonly role: 'client' | 'relay';
  readonly config: TransportConfig;
  readonly random: (length: number) => Uint8Array;
  readonly recovery: Recovery;
  readonly rates: DeliveryRate;
  readonly received: ReceivedPackets;
  /** A new path gets a new controller. */
  congestion: CongestionController;
  readonly mtu: MtuSearch;
  readonly pacer: Pacer;
  readonly streams: StreamSet;
  readonly pending: PendingFrames;
  readonly tail: TailRepeater;
  readonly liveness: Liveness;
}

/** Creates the parts of a connection.
 *  @param onCommand is called when a command on a stream may have given the connection something to do */
export function composeParts(
  role: 'client' | 'relay',
  config: TransportConfig,
  random: (length: number) => Uint8Array,
  budgets: PeerBudgets,
  onCommand: () => void,
): ConnectionParts {
  // The configured limits must not be below those that a peer may use before it has our HELLO (spec streams 3.5).
  assert(
    config.connectionWindowBytes >= INITIAL_MAX_DATA_BYTES,
    'the connection window is at least the initial one',
  );
  assert(
    config.maxStreamWindowBytes >= OPENING_WINDOW_BYTES,
    'the stream window is at least the opening window',
  );
  assert(config.maxOpenStreams >= INITIAL_MAX_STREAMS, 'the number of streams is at least the initial one');
  const pending = new PendingFrames();
  const recovery = new Recovery(role === 'client' ? CLIENT_MAX_PTO_MS : RELAY_MAX_PTO_MS);
  const parts: ConnectionParts = {
    role,
    config,
    random,
    recovery,
    rates: new DeliveryRate(recovery.log),
    received: new ReceivedPackets(),
    congestion: createController(config, config.datagramBytes, random),
    mtu: new MtuSearch({
      baseBytes: config.datagramBytes,
      maxBytes: Math.max(config.datagramBytes, config.maxDatagramBytes),
    }),
    pacer: new Pacer(config.datagramBytes),
    streams: new StreamSet({
      role,
      limits: config,
      givenUpBudget: budgets.givenUpStreams,
      fullDatagramBytes: () => parts.mtu.datagramBytes,
      datagramCounts: budgets.datagrams,
      blocks: budgets.blocks,
      requests: pending,
      sendAheadBytes: () => SEND_AHEAD_WINDOWS * parts.congestion.windowBytes,
      turnBytes: () => Math.min(TURN_MS * parts.pacer.bytesPerMs, MAX_TURN_BYTES),
      onCommand,
    }),
    pending,
    tail: new TailRepeater(),
    liveness: new Liveness(role === 'client'),
  };
  return parts;
}

/** Whether there is any frame to send that is subject to the window. */
export function hasDataToSend({ streams, pending }: ConnectionParts): boolean {
  return pending.isWaiting || streams.sending.next() !== undefined || streams.datagrams.isWaiting;
}

/** Creates the configured congestion controller for a new path. */
export function createController(
  config: TransportConfig,
  datagramBytes: number,
  random: (length: number) => Uint8Array,
): CongestionController {
  switch (config.congestion) {
    case 'newreno':
      return new NewReno(datagramBytes);
    case 'cubic':
      return new Cubic(datagramBytes);
    case 'bbr':
      return new Bbr(datagramBytes, () => {
        const [high = 0, low = 0] = random(2);
        return (256 * high + low) / 65_536;
      });
  }
}
