/** Where a peer is, by the specification: followed from the outside for every process and peer (spec path 1 to 3). */
import { type Address, sameAddress } from '@underpass/protocol';
import type { ArrivedDatagram, ObservedProcess, RuleWatch, SentDatagram } from '../observer/observer.js';
import { MessageKind } from '../observer/observer.js';
import type { NodeName } from '../world.js';
import { PerPeer } from './per-peer.js';

/** spec path 3: the path goes back after three challenges, or after as many probe timeouts when section 2 does not
 *  permit as many bytes. None is shorter than this. */
const MAX_CHALLENGES = 3;
const SHORTEST_TRIAL_MS = 3 * 26;

/** The paths of all processes. */
export class Paths {
  readonly #models: PerPeer<PathModel>;

  constructor(configured: (process: ObservedProcess, peer: NodeName) => Address | undefined) {
    this.#models = new PerPeer((process, peer) => new PathModel(configured(process, peer)));
  }

  of(process: ObservedProcess, peer: NodeName): PathModel {
    return this.#models.of(process, peer);
  }

  /** The process forgets the peer: if it learns of it again, nothing is known. */
  forget(process: ObservedProcess, peer: NodeName): void {
    this.#models.reset(process, peer);
  }

  /** What arrived is known before any rule is asked, ... */
  get before(): RuleWatch {
    return {
      onArrived: (datagram) => {
        if (datagram.sent !== undefined) this.of(datagram.by, datagram.sent.by.node).onArrived(datagram);
      },
    };
  }
  /** ... and what is sent is judged before it is known. */
  get after(): RuleWatch {
    return {
      onSent: (datagram) => {
        if (datagram.towards !== undefined) this.of(datagram.by, datagram.towards).onSent(datagram);
      },
    };
  }
}

export class PathModel {
  /** Where the newest authenticated datagram came from. */
  address: Address | undefined;
  proven: Address | undefined;
  /** What was proven before an answer that came when the trial may have been over: then nobody can tell from
   *  outside. */
  formerlyProven: Address | undefined;
  /** Of `address`, since it became the one on trial. */
  challengesSent = 0;
  #answered: Address | undefined;
  readonly #challenges = new Map<string, Address>();
  #wentBack = false;
  #movedAt = 0;

  constructor(configured: Address | undefined) {
    this.address = configured;
    this.proven = configured;
  }

  /** Nothing limits what may be sent there, and nothing did lately. */
  get isSettled(): boolean {
    return this.proven !== undefined && !this.isOnTrial && this.formerlyProven === undefined;
  }
  get isOnTrial(): boolean {
    return this.address !== undefined && !sameAddress(this.address, this.proven);
  }
  /** Enough challenges went unanswered: the path may go back. */
  mayGoBack(now: number): boolean {
    return this.challengesSent >= MAX_CHALLENGES || now - this.#movedAt >= SHORTEST_TRIAL_MS;
  }

  onSent({ to, packet }: SentDatagram): void {
    if (this.isOnTrial && sameAddress(to, this.proven)) this.#wentBack = true;
    if (packet?.challenge === undefined) return;
    // Other bytes are another trial: the path may have gone back in between, and an answer to the earlier one proves nothing.
    if (!this.#challenges.has(packet.challenge)) {
      this.#challenges.clear();
      this.challengesSent = 0;
    }
    this.#challenges.set(packet.challenge, to);
    if (sameAddress(to, this.address)) this.challengesSent++;
  }

  onArrived({ at, from, kind, isNewest, isFresh, madeKeypair, sent, dropped }: ArrivedDatagram): void {
    if (madeKeypair) {
      this.#move(at, from);
      if (kind === MessageKind.initiation && this.proven === undefined) this.#answered = from;
      return;
    }
    if (isNewest) this.#move(at, from);
    // Whoever uses the keys has our response.
    if (isFresh && this.proven === undefined) this.proven = this.#answered ?? this.address;
    if (dropped !== undefined) return;
    if (this.#wentBack) return; // a late answer to a trial that was given up proves nothing
    for (const response of sent?.packet?.responses ?? []) {
      const address = this.#challenges.get(response);
      if (address === undefined || !sameAddress(address, this.address)) continue;
      this.formerlyProven = this.mayGoBack(at) ? this.proven : undefined;
      this.proven = address;
    }
  }

  #move(at: number, from: Address): void {
    // The trial of an address that was given up begins again with its next datagram.
    if (sameAddress(from, this.address) && !this.#wentBack) return;
    this.address = { address: from.address, port: from.port };
    this.#movedAt = at;
    this.formerlyProven = undefined;
    this.#challenges.clear();
    this.challengesSent = 0;
    this.#wentBack = false;
  }
}
