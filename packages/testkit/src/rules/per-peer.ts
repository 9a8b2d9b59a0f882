import type { ObservedProcess } from '../observer/observer.js';
import type { NodeName } from '../simulation/world.js';

interface Entry<T> {
  readonly process: ObservedProcess;
  readonly peer: NodeName;
  readonly value: T;
  /** How often the process had forgotten the peer when the value was created. */
  readonly timesForgotten: number;
}

/** A rule's state for each pair of a process and a peer. A value is created when it is first used. `reset` discards it,
 *  and so does the process's first contact with a peer that was removed and added again: to the process, that is another
 *  peer. */
export class PerPeer<T> {
  readonly #values = new Map<ObservedProcess, Map<NodeName, Entry<T>>>();
  /** The two entries that were used last: mostly a client's and the relay's, which take turns. */
  #last: Entry<T> | undefined;
  #lastBut: Entry<T> | undefined;
  readonly #create: (process: ObservedProcess, peer: NodeName) => T;

  constructor(create: (process: ObservedProcess, peer: NodeName) => T) {
    this.#create = create;
  }

  of(process: ObservedProcess, peer: NodeName): T {
    let entry = this.#last;
    if (entry?.process !== process || entry.peer !== peer) {
      entry = this.#lastBut;
      if (entry?.process !== process || entry.peer !== peer) entry = this.#values.get(process)?.get(peer);
      this.#lastBut = this.#last;
      this.#last = entry;
    }
    const timesForgotten = process.timesForgotten.size === 0 ? 0 : (process.timesForgotten.get(peer) ?? 0);
    return entry?.timesForgotten === timesForgotten ? entry.value : this.#add(process, peer, timesForgotten);
  }

  reset(process: ObservedProcess, peer: NodeName): void {
    this.#values.get(process)?.delete(peer);
    this.#last = undefined;
    this.#lastBut = undefined;
  }

  #add(process: ObservedProcess, peer: NodeName, timesForgotten: number): T {
    const ofProcess = this.#values.get(process) ?? new Map<NodeName, Entry<T>>();
    this.#values.set(process, ofProcess);
    const value = this.#create(process, peer);
    const entry = { process, peer, value, timesForgotten };
    ofProcess.set(peer, entry);
    this.#last = entry;
    this.#lastBut = undefined;
    return value;
  }
}
