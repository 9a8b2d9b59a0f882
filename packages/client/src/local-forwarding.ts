/** Runs a forward of a local place to one target (`-L`). */
import { type Listener, type LocalForward, listenAt, programEnd, proxyHeaderOf } from '@underpass/forward';
import type { Carrier } from './carrier.js';
import type { BoundForward } from './client-options.js';
import { boundForward, type Forwarding } from './forwarding.js';
import { nameOfProgram } from './program-name.js';

export class LocalForwarding implements Forwarding {
  readonly #spec: LocalForward;
  readonly #carrier: Carrier;
  #listener: Listener | undefined;

  constructor(spec: LocalForward, carrier: Carrier) {
    this.#spec = spec;
    this.#carrier = carrier;
  }

  async start(): Promise<BoundForward> {
    const { place, target, proxyProtocol = false } = this.#spec;
    this.#listener = await listenAt(place, (socket) => {
      if (!this.#carrier.admit(socket)) return;
      const header = proxyProtocol ? proxyHeaderOf(socket) : undefined;
      const nameOf = (): string => nameOfProgram(socket, place);
      this.#carrier.carry(programEnd(socket, target, header), target, nameOf);
    });
    return boundForward(this.#spec, this.#listener);
  }

  close(): void {
    this.#listener?.close();
  }
}
