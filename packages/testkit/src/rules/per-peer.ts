import type { ObservedProcess } from '../observer/observer.js';
import type { NodeName } from '../world.js';

/** A rule's state for each pair of a process and a peer. A value is created when it is first used, and `reset` discards
 *  it. */
export class PerPeer<T> {
  readonly #values = new Map<ObservedProcess, Map<NodeName, T>>();
  readonly #create: (process: ObservedProcess, peer: NodeName) => T;

  constructor(create: (process: ObservedProcess, peer: NodeName) => T) {
    this.#create = create;
  }

  of(process: ObservedProcess, peer: NodeName): T {
    const ofProcess = this.#values.get(process);
    return ofProcess?.get(peer) ?? this.#add(process, ofProcess, peer);
  }

  reset(process: ObservedProcess, peer: NodeName): void {
    this.#values.get(process)?.delete(peer);
  }

  #add(process: ObservedProcess, ofProcess: Map<NodeName, T> | undefined, peer: NodeName): T {
    const value = this.#create(process, peer);
    if (ofProcess === undefined) this.#values.set(process, new Map([[peer, value]]));
    else ofProcess.set(peer, value);
    return value;
  }
}
