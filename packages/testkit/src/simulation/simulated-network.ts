/** A network in virtual time between a client and a relay. It delays, loses, duplicates, reorders and corrupts
 *  datagrams. */
import { type Address, sameAddress } from '@underpass/protocol';
import type { CarriageWatcher, Carried, LossReason } from './carried.js';
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
} from './network-conditions.js';
import type { SeededRandom } from './seeded-random.js';
import { idleLine, type Line, wanderedMs } from './wander.js';

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

/** Links by the side to which they lead. */
export type Links = Readonly<Record<Side, LinkState>>;

export function idleLinks(): Links {
  return { client: idleLink(), relay: idleLink() };
}

function idleLink(): LinkState {
  return { busyUntil: 0, burstUntil: 0, wander: idleLine() };
}

/** Large enough that few blocks are needed, and small enough for a short run. */
const BLOCK_BYTES = 32 * 1024;

/** A carried copy, as its network changes it. */
type Copy = { -readonly [Name in keyof Carried]: Carried[Name] } & {
  readonly order: number;
};

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
  readonly #watcher: CarriageWatcher | undefined;
  /** Holds the datagrams that are under way. It is replaced when it is full. */
  #block = new Uint8Array(0);
  #blockUsed = 0;

  constructor(
    conditions: NetworkConditions,
    random: SeededRandom,
    queue: EventQueue,
    deliver: Deliver,
    links: Links = idleLinks(),
    watcher?: CarriageWatcher,
  ) {
    this.#watcher = watcher;
    this.#conditions = conditions;
    this.#links = links;
    this.#random = random;
    this.#queue = queue;
    this.#deliver = deliver;
    this.#clientAddress = conditions.clientAddress ?? CLIENT_ADDRESS;
    this.#clientAddresses = [this.#clientAddress, this.#replayerAddress];
    for (const move of conditions.moves) {
      queue.schedule(move.at, () => this.moveClient(move.address));
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

  get conditions(): NetworkConditions {
    return this.#conditions;
  }

  /** Changes the conditions for what is sent from now on. Planned moves are not changed. */
  setConditions(conditions: NetworkConditions): void {
    this.#conditions = conditions;
  }

  /** Gives the client another address. */
  moveClient(address: Address): void {
    this.#clientAddress = address;
    this.#clientAddresses.push(address);
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
    if (typeof departure === 'string') {
      this.counts.lost++;
      this.troubledAt = this.#queue.now;
      this.#watcher?.onLost?.(target, datagram, departure);
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

  /** Loses a copy that is under way. */
  drop(copy: Carried): void {
    (copy as Copy).state = 'dropped';
    this.counts.lost++;
    this.troubledAt = this.#queue.now;
  }

  /** Makes a copy that is under way arrive later, or with other bytes. */
  change(copy: Carried, { laterMs = 0, bytes = copy.bytes }: { laterMs?: number; bytes?: Uint8Array }): void {
    (copy as Copy).bytes = bytes;
    this.troubledAt = this.#queue.now;
    if (laterMs === 0) return;
    (copy as Copy).arrivesAt += laterMs;
    this.#scheduleArrival(copy as Copy);
  }

  /** Adds a datagram that no process has sent. It leaves at once, and nothing that chance decides happens to it. */
  inject(target: Side, datagram: Uint8Array, from: Address): void {
    const { now } = this.#queue;
    const link = target === 'relay' ? this.#conditions.toRelay : this.#conditions.toClient;
    this.troubledAt = now;
    this.#launch(target, this.addressOf(target), from, now, now + link.delayMs, new Uint8Array(datagram));
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

  /** @returns when the datagram leaves, or why it is lost */
  #departure(
    link: LinkConditions,
    state: LinkState,
    bytes: number,
    mayFragment: boolean,
  ): number | LossReason {
    const random = this.#random;
    const { now } = this.#queue;
    if (random.chance(link.burstChance)) state.burstUntil = now + random.between(0, link.burstMs);
    if (random.chance(link.lossChance)) return 'loss';
    if (now < state.burstUntil) return 'burst';
    if (link.blackouts.some(({ from, until }) => now >= from && now < until)) return 'blackout';
    const path = link.pathBytes.findLast(({ from }) => now >= from);
    if (path !== undefined && bytes > path.maxBytes && !mayFragment) return 'too-large';
    if (link.bytesPerMs === undefined) return now;
    const waitingBytes = Math.max(0, state.busyUntil - now) * link.bytesPerMs;
    if (waitingBytes + bytes > link.queueBytes) return 'queue-full';
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
    const arrived = isCorrupted ? corrupt(random, datagram) : this.#copy(datagram);
    if (isCorrupted) {
      this.counts.corrupted++;
      this.troubledAt = this.#queue.now;
    }
    this.#launch(target, to, from, departure, departure + delayMs, arrived);
  }

  #copy(datagram: Uint8Array): Uint8Array {
    if (this.#blockUsed + datagram.length > this.#block.length) {
      this.#block = new Uint8Array(Math.max(BLOCK_BYTES, datagram.length));
      this.#blockUsed = 0;
    }
    const copy = this.#block.subarray(this.#blockUsed, this.#blockUsed + datagram.length);
    copy.set(datagram);
    this.#blockUsed += datagram.length;
    return copy;
  }

  #launch(
    target: Side,
    to: Address,
    from: Address,
    departsAt: number,
    arrivesAt: number,
    bytes: Uint8Array,
  ): void {
    const order = ++this.#sentOrder;
    const sentAt = this.#queue.now;
    const copy: Copy = { target, to, from, bytes, sentAt, departsAt, arrivesAt, state: 'under-way', order };
    this.#scheduleArrival(copy);
    this.#watcher?.onCarried?.(copy);
  }

  #scheduleArrival(copy: Copy): void {
    const at = copy.arrivesAt;
    this.#queue.schedule(at, () => {
      if (copy.state === 'under-way' && copy.arrivesAt === at) this.#arrive(copy);
    });
  }

  #arrive(copy: Copy): void {
    const { target, order } = copy;
    if (order < this.#arrivals[target]) this.troubledAt = this.#queue.now;
    else this.#arrivals[target] = order;
    if (!sameAddress(copy.to, this.addressOf(target))) {
      this.troubledAt = this.#queue.now;
      this.counts.misdirected++;
      copy.state = 'misdirected';
    } else {
      this.counts.delivered++;
      copy.state = 'delivered';
    }
    this.#watcher?.onArrived?.(copy);
    if (copy.state === 'delivered') this.#deliver(target, copy.bytes, copy.from);
  }
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
