/** What a recording of a run needs to know. */
import type { Address, Peer } from '@underpass/protocol';
import { START_UNIX_MS } from './process-table.js';
import type { LossReason } from './simulation/carried.js';
import { RELAY_ADDRESS } from './simulation/network-conditions.js';
import type { NodeName, Watcher, World } from './simulation/world.js';

/** A datagram where a process sends or receives it. The bytes are only valid during the call. */
export interface RecordedDatagram {
  readonly node: NodeName;
  readonly atUnixMs: number;
  readonly from: Address;
  readonly to: Address;
  readonly bytes: Uint8Array;
}

/** Receives what happens in a run, in the order in which it happens. It must not change anything. */
export interface RunRecorder {
  /** A line of the process's key log (spec session 9). */
  onKeyLog(node: NodeName, line: string): void;
  onSent(datagram: RecordedDatagram): void;
  /** The network loses the datagram that was sent last. */
  onLost(reason: LossReason): void;
  onReceived(datagram: RecordedDatagram): void;
  /** A process has done what there was to do. */
  onTurn(node: NodeName, atUnixMs: number, peers: readonly Peer[]): void;
}

/** Shows the same to the recorder as to `watcher`.
 *  @param peersOf  the peers of the process that runs as that node now */
export function recorded(
  watcher: Watcher,
  recorder: RunRecorder,
  world: () => World,
  peersOf: (node: NodeName) => readonly Peer[],
): Watcher {
  const addressOf = (node: NodeName): Address => {
    if (node === 'relay') return RELAY_ADDRESS;
    const index = node === 'client' ? 0 : Number(node.slice('client-'.length)) - 1;
    return world().networks[index]?.addressOf('client') ?? RELAY_ADDRESS;
  };
  return {
    onSent(node, to, bytes, towards) {
      watcher.onSent?.(node, to, bytes, towards);
      recorder.onSent({ node, atUnixMs: START_UNIX_MS + world().now, from: addressOf(node), to, bytes });
    },
    onArrival(node, bytes, from) {
      recorder.onReceived({ node, atUnixMs: START_UNIX_MS + world().now, from, to: addressOf(node), bytes });
      watcher.onArrival?.(node, bytes, from);
    },
    onHandled: (node, bytes, from) => watcher.onHandled?.(node, bytes, from),
    onTurn(node, turn) {
      watcher.onTurn?.(node, turn);
      recorder.onTurn(node, START_UNIX_MS + world().now, peersOf(node));
    },
  };
}
