/** Runs a forward of a local UDP port to one target (`-U`). */
import {
  evictedIdleMs,
  FlowIdle,
  idleLimitMs,
  listenUdp,
  MAX_FLOWS_PER_FORWARD,
  type OutgoingFlow,
  type UdpForward,
  type UdpListener,
} from '@underpass/forward';
import type { Address } from '@underpass/protocol';
import type { FlowSocket, Timers } from '@underpass/runtime';
import type { Carrier } from './carrier.js';
import type { BoundForward } from './client-options.js';
import type { Forwarding } from './forwarding.js';

/** One local program's flow. */
interface LocalFlow {
  /** Undefined if no stream could be opened. */
  readonly flow: OutgoingFlow | undefined;
  readonly idle: FlowIdle;
}

/** Gives each address of a local program a flow of its own, as a NAT does.
 *
 *  The first message from an address opens the flow; it ends when no message has passed for a while, when the relay ends
 *  it, or with the forward. The next message then opens another one. Only a flow that was refused stays until it is idle, and drops its messages, so that the relay is
 *  not asked again for each of them. When there are too many flows, the one that has been idle for longest makes room,
 *  and if none has been for long enough, the message is dropped. */
export class UdpForwarding implements Forwarding {
  readonly #spec: UdpForward;
  readonly #carrier: Pick<Carrier, 'openFlow'>;
  readonly #listen: typeof listenUdp;
  readonly #timers: Timers;
  readonly #now: () => number;
  #listener: UdpListener | undefined;
  /** By the program's address, the one that was idle for longest first, roughly: see `#makeRoom`. */
  readonly #flows = new Map<string, LocalFlow>();

  constructor(
    spec: UdpForward,
    carrier: Pick<Carrier, 'openFlow'>,
    timers: Timers,
    now: () => number,
    listen = listenUdp,
  ) {
    this.#spec = spec;
    this.#carrier = carrier;
    this.#timers = timers;
    this.#now = now;
    this.#listen = listen;
  }

  async start(): Promise<BoundForward> {
    this.#listener = await this.#listen(this.#spec.place, (message, from, via) =>
      this.#onMessage(message, from, via),
    );
    return { spec: this.#spec, addresses: this.#listener.addresses };
  }

  close(): void {
    this.#listener?.close();
    for (const key of [...this.#flows.keys()]) this.#end(key);
  }

  #onMessage(message: Uint8Array, from: Address, via: FlowSocket): void {
    const key = `${from.address} ${from.port} ${via.address.address}`;
    const known = this.#flows.get(key);
    // The relay has ended the flow, or the connection was lost with it.
    const hasEnded = known?.flow?.isOver === true && !known.flow.isRefused;
    if (hasEnded) this.#end(key);
    const { flow, idle } = (hasEnded ? undefined : known) ?? this.#open(key, from, via) ?? {};
    if (flow === undefined || flow.isOver) return;
    idle?.touch();
    flow.send(message);
  }

  #open(key: string, from: Address, via: FlowSocket): LocalFlow | undefined {
    if (this.#flows.size >= MAX_FLOWS_PER_FORWARD && !this.#makeRoom()) return undefined;
    const { target } = this.#spec;
    const { address, port } = from;
    const idle = new FlowIdle(idleLimitMs(target.port), this.#timers, this.#now, () => this.#end(key));
    const flow = this.#carrier.openFlow({
      target,
      request: { kind: 'udp', host: target.host, port: target.port },
      from: `${address} port ${port}`,
      onMessage: (answer) => {
        idle.touch();
        via.send(answer, from);
      },
    });
    const local = { flow, idle };
    this.#flows.set(key, local);
    return local;
  }

  /** Ends the flow that has been idle for longest, if that is long enough.
   *  @returns false if there is none */
  #makeRoom(): boolean {
    let oldest: string | undefined;
    let oldestAt = this.#now() - evictedIdleMs(this.#spec.target.port);
    for (const [key, { idle }] of this.#flows) {
      if (idle.lastAt > oldestAt || (oldest !== undefined && idle.lastAt === oldestAt)) continue;
      oldest = key;
      oldestAt = idle.lastAt;
    }
    if (oldest === undefined) return false;
    this.#end(oldest);
    return true;
  }

  #end(key: string): void {
    const local = this.#flows.get(key);
    this.#flows.delete(key);
    local?.idle.stop();
    local?.flow?.end();
  }
}
