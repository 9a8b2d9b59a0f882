import type { ObservedProcess } from '../observer/observer.js';
import type { NodeName } from '../simulation/world.js';

interface Entry<T> {
  readonly value: T;
  /** How often the process had forgotten the peer when the value was created. */
  readonly timesForgotten: number;
}

/** A rule's state for each pair of a process and a peer. A value is created when it is first used. `reset` discards it,
 *  and so does the process's first contact with a peer that was removed and added again: to the process, that is another
 *  peer. */
export class PerPeer<T> {
  readonly #values = new Map<ObservedProcess, Map<NodeName, Entry<T>>>();
  readonly #create: (process: ObservedProcess, peer: NodeName) => T;

  constructor(create: (process: ObservedProcess, peer: NodeName) => T) {
    this.#create = create;
  }

  of(process: ObservedProcess, peer: NodeName): T {
    const entry = this.#values.get(process)?.get(peer);
    const timesForgotten = process.timesForgotten.get(peer) ?? 0;
    return entry?.timesForgotten === timesForgotten ? entry.value : this.#add(process, peer, timesForgotten);
  }

  reset(process: ObservedProcess, peer: NodeName): void {
    this.#values.get(process)?.delete(peer);
  }

  #add(process: ObservedProcess, peer: NodeName, timesForgotten: number): T {
    const ofProcess = this.#values.get(process) ?? new Map<NodeName, Entry<T>>();
    this.#values.set(process, ofProcess);
    const value = this.#create(process, peer);
    ofProcess.set(peer, { value, timesForgotten });
    return value;
  }
}
