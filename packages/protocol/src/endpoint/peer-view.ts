import type { Deadline } from '../deadline.js';
import type { ConnectionView } from '../transport/connection-view.js';
import type { SessionView } from '../wireguard/session-view.js';

/** The inside of one peer, for tools that show it. Programs that only use the tunnel need `stats`. */
export interface PeerView {
  readonly keypairs: SessionView['keypairs'];
  /** All timers of the peer that are set. `Endpoint.pollTimeout` returns the earliest over all peers. */
  readonly timers: readonly Deadline[];
  /** Undefined before first contact. */
  readonly connection: ConnectionView | undefined;
}

export function viewPeer(
  session: SessionView,
  connection: ConnectionView | undefined,
  own: readonly (Deadline | undefined)[] = [],
): PeerView {
  const timers = [...session.timers, ...(connection?.timers ?? []), ...own];
  return { keypairs: session.keypairs, timers: timers.filter((timer) => timer !== undefined), connection };
}
