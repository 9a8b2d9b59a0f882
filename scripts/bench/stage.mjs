// A network with a target and a load, on which tunnels are started.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { atEnd } from './at-end.mjs';
import { startLoad } from './load/load.mjs';
import { createNetwork } from './network/network.mjs';

/** Owns a network, the load processes and a directory for the files of tunnels. Whatever was started on it has to be
 *  stopped before `close`. */
export class Stage {
  load;
  #network;
  #directory = mkdtempSync(path.join(tmpdir(), 'underpass-bench-'));
  #removeDirectory = atEnd(() => rmSync(this.#directory, { recursive: true, force: true }));
  #started = 0;

  /** @param link  see scenarios/links.mjs; undefined for a network without limits */
  static async open({ hasNamespaces, link }) {
    const stage = new Stage();
    stage.#network = await createNetwork({ hasNamespaces, link });
    stage.load = await startLoad(stage.#network);
    return stage;
  }

  /** Starts a tunnel, and waits until it carries a byte.
   *
   *  @param clients  how many clients it should have, if it can have several
   *  @returns where programs reach the target through it, and the programs that it consists of */
  async start(tunnel, clients = 1) {
    const directory = path.join(this.#directory, `${tunnel.id}-${this.#started++}`);
    mkdirSync(directory, { mode: 0o700 });
    const { targetPort } = this.load;
    const running = await tunnel.start({ network: this.#network, directory, targetPort, clients });
    const addresses = running.addresses ?? [running.address];
    for (const address of addresses) await this.load.ask('waitUntilReady', { address });
    return { address: addresses[0], addresses, programs: running.programs };
  }

  async close() {
    await this.load.stop();
    await this.#network.remove();
    this.#removeDirectory();
  }
}

export async function stopTunnel({ programs }) {
  await Promise.all(programs.map((program) => program.stop()));
}
