/** The parts that a connection composes: none of them knows another. */
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
  OPENING_WINDOW_BYTES,
  RELAY_MAX_PTO_MS,
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

/** What a stream may buffer, in congestion windows: data stays buffered until the oldest hole before it is filled, which on a lossy path
 *  takes several round trips. */
const SEND_AHEAD_WINDOWS = 6;

export interface ConnectionParts {
  readonly role: 'client' | 'relay';
  readonly config: TransportConfig;
  readonly random: (length: number) => Uint8Array;
  readonly recovery: Recovery;
  readonly rates: DeliveryRate;
  readonly received: ReceivedPackets;
  congestion: CongestionController;
  readonly mtu: MtuSearch;
  readonly pacer: Pacer;
  readonly streams: StreamSet;
  readonly pending: PendingFrames;
  readonly tail: TailRepeater;
  readonly liveness: Liveness;
}

export function composeParts(
  role: 'client' | 'relay',
  config: TransportConfig,
  random: (length: number) => Uint8Array,
  budgets: PeerBudgets,
  onCommand: () => void,
): ConnectionParts {
  // spec streams 3.5: what a peer may use before it has our HELLO
  assert(config.connectionWindowBytes >= INITIAL_MAX_DATA_BYTES, 'the window is at least the initial one');
  assert(config.maxStreamWindowBytes >= OPENING_WINDOW_BYTES, 'that of a stream grows from there');
  assert(config.maxOpenStreams >= INITIAL_MAX_STREAMS, 'and the number of streams');
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
      requests: pending,
      sendAheadBytes: () => SEND_AHEAD_WINDOWS * parts.congestion.windowBytes,
      onCommand,
    }),
    pending,
    tail: new TailRepeater(),
    liveness: new Liveness(role === 'client'),
  };
  return parts;
}

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
