/** One forward that runs. */
import type { Forward, Listener } from '@underpass/forward';
import type { BoundForward, DisconnectCause } from './client-options.js';

/** Runs one forward. There is a class for each kind. */
export interface Forwarding {
  /** @throws UnderpassError when it cannot start; nothing is left behind then */
  start(): Promise<BoundForward>;
  /** Accepts nothing more. Existing connections go on. */
  close(): Promise<void> | void;
  /** Whether a stream of its own was lost with its connection since the last call. */
  takeLoss?(): boolean;
  /** The relay was reached. */
  onContact?(): void;
  /** The connection to the relay has ended, and its streams were reported as lost. */
  onDisconnected?(cause: DisconnectCause): void;
}

export function boundForward(spec: Forward, { addresses, path }: Listener): BoundForward {
  return { spec, addresses, ...(path !== undefined && { path }) };
}
