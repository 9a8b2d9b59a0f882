/** A network in virtual time between a client and a relay. It delays, loses, duplicates, reorders and corrupts
 *  datagrams. */
import { type Address, sameAddress } from '@underpass/protocol';
import type { EventQueue } from './event-queue.js';
import {
  CLIENT_ADDRESS,
  type LinkConditions,
  type NetworkConditions,
  other,
  PERFECT_LINK,
  RELAY_ADDRESS,
  REPLAYER_ADDRESS,
  type Side,
  STRANGER_ADDRESS,
  type Wander,
} from './network-conditions.js';
import type { SeededRandom } from './seeded-random.js';

export interface NetworkCounts {
  delivered: number;
  lost: number;
  duplicated: number;
  corrupted: number;
  forged: number;
  replayed: number;
  /** Datagrams to an address that no process has any longer. */
  misdirected: number;
}

export type Deliver = (to: Side, datagram: Uint8Array, from: Address) => void;

/** The state of one direction of a link. Networks that share one also share its queue. */
export interface LinkState {
  /** When the last waiting byte will have left. */
  busyUntil: number;
  burstUntil: number;
  /** The line on which a wandering delay moves at present. */
  readonly wander: Line;
}

interface Line {
  from: number;
  until: number;
  fromMs: number;
  untilMs: number;
}
/** Links by the side to which they lead. */
export type Links = Readonly<Record<Side, LinkState>>;

export function idleLinks(): Links {
  return { client: idleLink(), relay: idleLink() };
}

function idleLink(): LinkState {
  return { busyUntil: 0, burstUntil: 0, wander: { from: 0, until: 0, fromMs: 0, untilMs: 0 } };
}

const MIN_LINE_MS = 20;
const LINE_PER_SPREAD = 2.5;
const MAX_SILENT_LINES = 8;

/** Carries the datagrams of one client and the relay, under conditions drawn from a seed.
 *
 *  The world calls `send` for each datagram; the network decides at once what happens to it and schedules its arrivals
 *  on the event queue. It also plays attackers who see the traffic: they forge and replay, but they cannot stop
 *  datagrams. It moves the client to new addresses as planned, and counts everything it did, so that rules can judge
 *  whether the protocol reacted correctly. `heal` makes it perfect for the rest of the run. */
export class SimulatedNetwork {
  readonly counts: NetworkCounts = {
    delivered: 0,
    lost: 0,
    duplicated: 0,
    corrupted: 0,
    forged: 0,
    replayed: 0,
    misdirected: 0,
  };
  #conditions: NetworkConditions;
  readonly #random: SeededRandom;
  readonly #queue: EventQueue;
  readonly #deliver: Deliver;
  readonly #links: Links;
  /** When a datagram was last lost, corrupted, duplicated, overtaken or misdirected. */
  troubledAt = Number.NEGATIVE_INFINITY;
  #clientAddress: Address;
  readonly #clientAddresses: Address[];
  #sentOrder = 0;
  /** The order of the newest datagram that arrived at each side. */
  readonly #arrivals: Record<Side, number> = { client: 0, relay: 0 };

  constructor(
    conditions: NetworkConditions,
    random: SeededRandom,
    queue: EventQueue,
    deliver: Deliver,
    links: Links = idleLinks(),
  ) {
    this.#conditions = conditions;
    this.#links = links;
    this.#random = random;
    this.#queue = queue;
    this.#deliver = deliver;
    this.#clientAddress = conditions.clientAddress ?? CLIENT_ADDRESS;
    this.#clientAddresses = [this.#clientAddress, this.#replayerAddress];
    for (const move of conditions.moves) {
      queue.schedule(move.at, () => {
        this.#clientAddress = move.address;
        this.#clientAddresses.push(move.address);
      });
    }
  }

  /** Whether the client has or had that address. */
  leadsTo(address: Address): boolean {
    return this.#clientAddresses.some((known) => sameAddress(known, address));
  }

  get #replayerAddress(): Address {
    return this.#conditions.replayerAddress ?? REPLAYER_ADDRESS;
  }

  addressOf(side: Side): Address {
    return side === 'client' ? this.#clientAddress : RELAY_ADDRESS;
  }

  /** Makes everything arrive from now on, in order and once. */
  heal(): void {
    const { toRelay, toClient } = this.#conditions;
    this.#conditions = {
      ...this.#conditions,
      toRelay: { ...PERFECT_LINK, delayMs: toRelay.delayMs },
      toClient: { ...PERFECT_LINK, delayMs: toClient.delayMs },
      moves: [],
    };
  }

  /** Sends one datagram; the caller may reuse its bytes.
   *  @param mayFragment  whether it may be fragmented where the path is smaller; then all fragments arrive, or none */
  send(from: Side, to: Address, datagram: Uint8Array, mayFragment = false): void {
    const target = other(from);
    const link = target === 'relay' ? this.#conditions.toRelay : this.#conditions.toClient;
    if (this.#random.chance(link.forgeryChance)) this.#forge(target, link, datagram);
    const departure = this.#departure(link, this.#links[target], datagram.length, mayFragment);
    const source = this.addressOf(from);
    // The attacker copies passing datagrams, but cannot receive datagrams for the real address: otherwise it would be
    // the path.
    const isPassing = sameAddress(to, this.addressOf(target));
    if (link.replayChance > 0 && this.#random.chance(link.replayChance) && isPassing)
      this.#replay(target, link, datagram);
    if (departure === undefined) {
      this.counts.lost++;
      this.troubledAt = this.#queue.now;
      return;
    }
    this.#carry(target, link, departure, to, source, datagram);
    if (this.#random.chance(link.duplicateChance)) {
      this.counts.duplicated++;
      this.troubledAt = this.#queue.now;
      const later = departure + this.#random.between(0, link.duplicateDelayMs);
      this.#carry(target, link, later, to, source, datagram);
    }
  }

  /** Delivers a genuine datagram from an address that its sender never had. */
  #replay(target: Side, link: LinkConditions, datagram: Uint8Array): void {
    this.counts.replayed++;
    this.troubledAt = this.#queue.now;
    const copy = new Uint8Array(datagram);
    this.#queue.schedule(this.#queue.now + this.#random.between(0, link.replayDelayMs), () => {
      this.#deliver(target, copy, this.#replayerAddress);
    });
  }

  /** Changes a byte that a mac or tag covers. The mac2 at the end of handshake messages is only checked under load. */
  #forge(target: Side, link: LinkConditions, datagram: Uint8Array): void {
    this.counts.forged++;
    const forged = new Uint8Array(datagram);
    const at = this.#random.integer(4, Math.max(4, Math.min(datagram.length - 32, 100)));
    forged[at] = (forged[at] as number) ^ this.#random.integer(1, 255);
    this.#queue.schedule(this.#queue.now + this.#random.between(0, 2 * link.delayMs), () => {
      this.#deliver(target, forged, STRANGER_ADDRESS);
    });
  }

  /** @returns when the datagram leaves, or undefined when it is lost */
  #departure(
    link: LinkConditions,
    state: LinkState,
    bytes: number,
    mayFragment: boolean,
  ): number | undefined {
    const random = this.#random;
    const { now } = this.#queue;
    if (random.chance(link.burstChance)) state.burstUntil = now + random.between(0, link.burstMs);
    const isLost = random.chance(link.lossChance) || now < state.burstUntil;
    if (isLost || link.blackouts.some(({ from, until }) => now >= from && now < until)) return undefined;
    const path = link.pathBytes.findLast(({ from }) => now >= from);
    if (path !== undefined && bytes > path.maxBytes && !mayFragment) return undefined;
    if (link.bytesPerMs === undefined) return now;
    const waitingBytes = Math.max(0, state.busyUntil - now) * link.bytesPerMs;
    if (waitingBytes + bytes > link.queueBytes) return undefined;
    state.busyUntil = Math.max(state.busyUntil, now) + bytes / link.bytesPerMs;
    return state.busyUntil;
  }

  #carry(
    target: Side,
    link: LinkConditions,
    departure: number,
    to: Address,
    from: Address,
    datagram: Uint8Array,
  ): void {
    const random = this.#random;
    let delayMs = link.delayMs + random.between(0, link.jitterMs);
    if (link.wander !== undefined) {
      delayMs = Math.max(0, delayMs + wanderedMs(link.wander, this.#links[target].wander, departure, random));
    }
    if (random.chance(link.stragglerChance)) delayMs += random.between(0, link.stragglerMs);
    const isCorrupted = random.chance(link.corruptionChance);
    const arrived = isCorrupted ? corrupt(random, datagram) : new Uint8Array(datagram);
    if (isCorrupted) {
      this.counts.corrupted++;
      this.troubledAt = this.#queue.now;
    }
    const order = ++this.#sentOrder;
    this.#queue.schedule(departure + delayMs, () => {
      if (order < this.#arrivals[target]) this.troubledAt = this.#queue.now;
      else this.#arrivals[target] = order;
      if (!sameAddress(to, this.addressOf(target))) {
        this.troubledAt = this.#queue.now;
        this.counts.misdirected++;
        return;
      }
      this.counts.delivered++;
      this.#deliver(target, arrived, from);
    });
  }
}

/** The difference of the delay from its mean. A line lasts 2.5 times the spread, so its slope stays below 1 and
 *  datagrams keep their order.
 *
 *  @param line  advanced to the line that contains `at` */
function wanderedMs({ spreadMs, periodMs }: Wander, line: Line, at: number, random: SeededRandom): number {
  if (periodMs !== undefined) return spreadMs * Math.sin((2 * Math.PI * at) / periodMs);
  const lineMs = Math.max(MIN_LINE_MS, LINE_PER_SPREAD * spreadMs);
  // After a long silence the delay starts at a new value.
  if (at > line.until + MAX_SILENT_LINES * lineMs) {
    line.until = at;
    line.untilMs = random.between(-spreadMs, spreadMs);
  }
  while (at >= line.until) {
    line.from = line.until;
    line.fromMs = line.untilMs;
    line.until += lineMs;
    line.untilMs = random.between(-spreadMs, spreadMs);
  }
  const share = (at - line.from) / (line.until - line.from);
  return line.fromMs + share * (line.untilMs - line.fromMs);
}

/** Returns a corrupted copy: flipped bits, a missing end, or extra bytes. */
function corrupt(random: SeededRandom, datagram: Uint8Array): Uint8Array {
  const kind = random.integer(0, 9);
  if (kind === 0) return new Uint8Array(datagram.subarray(0, random.integer(0, datagram.length - 1)));
  if (kind === 1) {
    const longer = new Uint8Array(datagram.length + random.integer(1, 32));
    longer.set(datagram);
    return longer;
  }
  const corrupted = new Uint8Array(datagram);
  for (let flips = random.integer(1, 3); flips > 0; flips--) {
    const at = random.integer(0, corrupted.length - 1);
    corrupted[at] = (corrupted[at] as number) ^ (1 << random.integer(0, 7));
  }
  return corrupted;
}
