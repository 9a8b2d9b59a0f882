/** A world with one client and a relay. */
import type { EndpointEvent } from '@underpass/protocol';
import type { NetworkConditions, Side } from './network-conditions.js';
import type { SimulatedNetwork } from './simulated-network.js';
import { sideOf, World, type WorldOptions } from './world.js';

export { type DrivenEndpoint, PROMPT, type TurnTiming } from './endpoint-driver.js';

export interface PairOptions extends Omit<WorldOptions, 'networks' | 'onEvent'> {
  readonly network: NetworkConditions;
  readonly onEvent: (side: Side, event: EndpointEvent) => void;
}

/** The simplest world: its nodes are called by their side, and it has one network. */
export class Pair extends World {
  constructor(options: PairOptions) {
    const { network, onEvent, ...others } = options;
    super({ ...others, networks: [network], onEvent: (node, event) => onEvent(sideOf(node), event) });
  }

  get network(): SimulatedNetwork {
    return this.networks[0] as SimulatedNetwork;
  }
}
