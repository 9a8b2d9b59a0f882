/** Runs a forward of a local port to one target (`-L`). */
import { type LocalForward, listenTcp, programEnd, type TcpListener } from '@underpass/forward';
import type { Carrier } from './carrier.js';
import type { BoundForward } from './client-options.js';
import type { Forwarding } from './forwarding.js';
import { nameOfProgram } from './program-name.js';

export class LocalForwarding implements Forwarding {
  readonly #spec: LocalForward;
  readonly #carrier: Carrier;
  #listener: TcpListener | undefined;

  constructor(spec: LocalForward, carrier: Carrier) {
    this.#spec = spec;
    this.#carrier = carrier;
  }

  async start(): Promise<BoundForward> {
    const { target } = this.#spec;
    this.#listener = await listenTcp(this.#spec, (socket) => {
      if (!this.#carrier.admit(socket)) return;
      this.#carrier.carry(programEnd(socket, target), target, nameOfProgram(socket));
    });
    return { spec: this.#spec, addresses: this.#listener.addresses };
  }

  close(): void {
    this.#listener?.close();
  }
}
