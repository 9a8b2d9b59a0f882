/** The forwards of a client: which run, and which class runs each kind. */
import {
  type Forward,
  formatRelayPlace,
  isUnix,
  type ListenPlace,
  type ReverseForward,
  relayPlaceOf,
} from '@underpass/forward';
import { monotonicMs, systemTimers, UnderpassError } from '@underpass/runtime';
import type { BoundForward, DisconnectCause, VisitorService } from './client-options.js';
import { DynamicForwarding, type DynamicForwardingOptions } from './dynamic-forwarding.js';
import type { Forwarding } from './forwarding.js';
import { LocalForwarding } from './local-forwarding.js';
import { ReverseForwarding, type ReverseForwardingOptions } from './reverse-forwarding.js';
import { UdpForwarding } from './udp-forwarding.js';

/** What the forwards use of the client. */
export type ForwardsOptions = DynamicForwardingOptions & ReverseForwardingOptions;

interface Running {
  readonly bound: BoundForward;
  readonly forwarding: Forwarding;
}

/** Owns the running forwards of a client. It starts and ends them, and knows nothing of their connections. */
export class Forwards {
  readonly #options: ForwardsOptions;
  readonly #running: Running[] = [];
  #isClosed = false;

  constructor(options: ForwardsOptions) {
    this.#options = options;
  }

  get bound(): readonly BoundForward[] {
    return this.#running.map(({ bound }) => bound);
  }

  /** @throws UnderpassError when it cannot start */
  async add(spec: Forward, service?: VisitorService): Promise<BoundForward> {
    if (spec.kind === 'reverse') this.#refuseSamePlace(spec);
    const forwarding = this.#create(spec, service);
    const bound = await forwarding.start();
    if (this.#isClosed) await forwarding.close();
    else this.#running.push({ bound, forwarding });
    return bound;
  }

  /** @returns whether there was such a forward, compared by its kind and text */
  async remove({ kind, text }: Forward): Promise<boolean> {
    const index = this.#running.findIndex(({ bound: { spec } }) => spec.kind === kind && spec.text === text);
    const [found] = index === -1 ? [] : this.#running.splice(index, 1);
    await found?.forwarding.close();
    return found !== undefined;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#running.splice(0).map(({ forwarding }) => forwarding.close()));
  }

  /** The relay was reached. */
  onContact(): void {
    for (const { forwarding } of this.#running) forwarding.onContact?.();
  }

  onDisconnected(cause: DisconnectCause): void {
    for (const { forwarding } of this.#running) forwarding.onDisconnected?.(cause);
  }

  /** @returns how many reverse forwards have lost their stream with its connection since the last call */
  takeLostListeners(): number {
    return this.#running.filter(({ forwarding }) => forwarding.takeLoss?.() === true).length;
  }

  /** Two forwards of one port at the relay would take turns in failing. */
  #refuseSamePlace({ place }: ReverseForward): void {
    const where = placeText(place);
    const isSame = ({ bound: { spec } }: Running): boolean =>
      spec.kind === 'reverse' && placeText(spec.place) === where;
    if ((!isUnix(place) && place.port === 0) || !this.#running.some(isSame)) return;
    throw new UnderpassError(
      'address-in-use',
      `two reverse forwards ask the relay for ${where}`,
      'give each a port of its own',
    );
  }

  #create(spec: Forward, service: VisitorService | undefined): Forwarding {
    switch (spec.kind) {
      case 'local':
        return new LocalForwarding(spec, this.#options.carrier);
      case 'dynamic':
        return new DynamicForwarding(spec, this.#options);
      case 'udp':
        return new UdpForwarding(spec, this.#options.carrier, systemTimers, monotonicMs);
      case 'reverse':
        return new ReverseForwarding(spec, this.#options, service);
    }
  }
}

function placeText(place: ListenPlace): string {
  const { bind, port } = relayPlaceOf(place);
  return formatRelayPlace(bind, port);
}
