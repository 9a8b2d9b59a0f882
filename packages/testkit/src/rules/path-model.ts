/** Computes from outside where a peer is according to the specification, for every process and peer (spec path 1 to
 *  3). */
import { type Address, sameAddress } from '@underpass/protocol';
import type { ArrivedDatagram, ObservedProcess, RuleWatch, SentDatagram } from '../observer/observer.js';
import { MessageKind } from '../observer/observer.js';
import type { NodeName } from '../simulation/world.js';
import { PerPeer } from './per-peer.js';

/** spec path 3: the path goes back after three challenges, or after three probe timeouts if section 2 permits fewer
 *  challenges. No probe timeout is shorter than this. */
const MAX_CHALLENGES = 3;
const SHORTEST_TRIAL_MS = 3 * 26;

/** The paths of all processes. The run of the scenario registers `before` ahead of all rules and `after` behind them,
 *  so that rules judge a sent datagram against the state before it. */
export class Paths {
  readonly #models: PerPeer<PathModel>;

  constructor(configured: (process: ObservedProcess, peer: NodeName) => Address | undefined) {
    this.#models = new PerPeer((process, peer) => new PathModel(configured(process, peer)));
  }

  of(process: ObservedProcess, peer: NodeName): PathModel {
    return this.#models.of(process, peer);
  }

  /** Updates the models with arriving datagrams before the rules run, ... */
  get before(): RuleWatch {
    return {
      onArrived: (datagram) => {
        if (datagram.sent !== undefined) this.of(datagram.by, datagram.sent.by.node).onArrived(datagram);
      },
    };
  }
  /** ... and with sent datagrams after them. */
  get after(): RuleWatch {
    return {
      onSent: (datagram) => {
        if (datagram.towards !== undefined) this.of(datagram.by, datagram.towards).onSent(datagram);
      },
    };
  }
}

/** One process's view of one peer's address, derived only from datagrams: the address in use, the one that is proven,
 *  and the trial of a new one. Rules compare it with where the process sends. It errs on the side of the process where
 *  the exact moment of a decision cannot be seen. */
export class PathModel {
  /** The source of the newest authenticated datagram. */
  address: Address | undefined;
  proven: Address | undefined;
  /** Challenges to `address` since its trial began. */
  challengesSent = 0;
  /** By the key under which the peer sends: where our message of its handshake went. */
  readonly #reachedAt = new Map<string | undefined, Address | undefined>();
  /** The proven addresses before answers that arrived when the trial may already have been over. It cannot be seen from
   *  outside whether the process uses one of these or `proven`, until it sends somewhere. */
  #formerlyProven: Address[] = [];
  #initiatedTo: Address | undefined;
  readonly #challenges = new Map<string, Address>();
  #wentBack = false;
  #movedAt = 0;

  constructor(configured: Address | undefined) {
    this.address = configured;
    this.proven = configured;
  }

  /** Whether the amplification limit does not apply, and has not lately. */
  get isSettled(): boolean {
    return this.proven !== undefined && !this.isOnTrial && this.isCertain;
  }
  get isOnTrial(): boolean {
    return this.address !== undefined && !sameAddress(this.address, this.proven);
  }
  /** Whether `proven` is known to be what the process takes for the proven address. */
  get isCertain(): boolean {
    return this.#formerlyProven.length === 0;
  }
  /** Whether the process may take this address for the proven one. */
  mayBeProven(address: Address): boolean {
    return (
      sameAddress(this.proven, address) ||
      this.#formerlyProven.some((candidate) => sameAddress(candidate, address))
    );
  }
  /** Whether enough challenges went unanswered for the path to go back. */
  mayGoBack(now: number): boolean {
    return this.challengesSent >= MAX_CHALLENGES || now - this.#movedAt >= SHORTEST_TRIAL_MS;
  }

  onSent({ to, kind, isCopy, original, packet }: SentDatagram): void {
    // A farewell that is sent again goes where the peer was, and says nothing of where it is now.
    if (original !== undefined) return;
    if (kind === MessageKind.initiation) {
      // If copies went elsewhere, the use of the keys does not show which of the addresses was reached.
      this.#initiatedTo = !isCopy || sameAddress(to, this.#initiatedTo) ? to : undefined;
    }
    if (!sameAddress(to, this.address) && this.mayBeProven(to)) {
      this.proven = to;
      this.#formerlyProven = [];
      this.#wentBack = true;
    }
    if (packet?.challenge === undefined) return;
    // Different bytes mean another trial. The path may have gone back in between, so an answer to the earlier challenge
    // proves nothing, and has proven nothing if the trial is of the same address.
    if (!this.#challenges.has(packet.challenge)) {
      if (!this.isCertain && sameAddress(to, this.proven)) this.proven = this.#formerlyProven.pop();
      this.#challenges.clear();
      this.challengesSent = 0;
    }
    this.#challenges.set(packet.challenge, to);
    if (sameAddress(to, this.address)) this.challengesSent++;
  }

  onArrived({ at, by, from, kind, isNewest, isFresh, madeKeypair, sent, dropped }: ArrivedDatagram): void {
    if (madeKeypair) {
      this.#move(at, from);
      this.#reachedAt.set(
        by.crypto.keys.at(-1)?.key,
        kind === MessageKind.initiation ? from : this.#initiatedTo,
      );
      return;
    }
    if (isNewest) this.#move(at, from);
    // The peer can use the keys only if it received our message of their handshake.
    if (isFresh) this.proven ??= this.#reachedAt.get(sent?.key);
    if (dropped !== undefined) return;
    if (this.#wentBack) return; // a late answer to a trial that was given up proves nothing
    for (const response of sent?.packet?.responses ?? []) {
      const address = this.#challenges.get(response);
      if (address === undefined || !sameAddress(address, this.address)) continue;
      if (sameAddress(address, this.proven)) continue; // another copy of the answer
      if (!this.mayGoBack(at)) this.#formerlyProven = [];
      else if (this.proven !== undefined) this.#formerlyProven.push(this.proven);
      this.proven = address;
    }
  }

  #move(at: number, from: Address): void {
    // If the trial of an address was given up, its next datagram starts another one.
    if (sameAddress(from, this.address) && !this.#wentBack) return;
    this.address = { address: from.address, port: from.port };
    this.#movedAt = at;
    this.#challenges.clear();
    this.challengesSent = 0;
    this.#wentBack = false;
  }
}
