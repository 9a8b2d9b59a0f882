import type { ObservedProcess } from '../observer/observer.js';
import type { NodeName } from '../world.js';

/** A value for each pair of a process and a peer, made when it is first asked for. */
export class PerPeer<T> {
  readonly #values = new Map<string, T>();
  readonly #create: (process: ObservedProcess, peer: NodeName) => T;

  constructor(create: (process: ObservedProcess, peer: NodeName) => T) {
    this.#create = create;
  }

  of(process: ObservedProcess, peer: NodeName): T {
    const name = `${process.name} ${peer}`;
    let value = this.#values.get(name);
    if (value === undefined) {
      value = this.#create(process, peer);
      this.#values.set(name, value);
    }
    return value;
  }

  reset(process: ObservedProcess, peer: NodeName): void {
    this.#values.delete(`${process.name} ${peer}`);
  }
}
