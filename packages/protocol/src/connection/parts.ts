/** The parts that a connection composes: none of them knows another. */
import type { CongestionController } from '../congestion/controller.js';
import { Cubic } from '../congestion/cubic.js';
import { NewReno } from '../congestion/new-reno.js';
import { Pacer } from '../congestion/pacer.js';
import { ReceivedPackets } from '../recovery/received-packets.js';
import { Recovery, type RecoveryListener } from '../recovery/recovery.js';
import { StreamSet } from '../streams/stream-set.js';
import type { TransportConfig } from './config.js';
import { PacketContents } from './packet-contents.js';
import { PathResponses } from './path-responses.js';

export interface ConnectionParts {
  readonly role: 'client' | 'relay';
  readonly config: TransportConfig;
  readonly random: (length: number) => Uint8Array;
  readonly recovery: Recovery;
  readonly received: ReceivedPackets;
  readonly congestion: CongestionController;
  readonly pacer: Pacer;
  readonly streams: StreamSet;
  readonly contents: PacketContents;
  readonly pathResponses: PathResponses;
}

export function composeParts(
  role: 'client' | 'relay',
  config: TransportConfig,
  random: (length: number) => Uint8Array,
  listener: RecoveryListener,
): ConnectionParts {
  return {
    role,
    config,
    random,
    recovery: new Recovery(listener),
    received: new ReceivedPackets(),
    congestion: createController(config),
    pacer: new Pacer(config.datagramBytes),
    streams: new StreamSet(role, config),
    contents: new PacketContents(),
    pathResponses: new PathResponses(),
  };
}

function createController(config: TransportConfig): CongestionController {
  switch (config.congestion) {
    case 'newreno':
      return new NewReno(config.datagramBytes);
    case 'cubic':
      return new Cubic(config.datagramBytes);
  }
}
