import type { Address } from '../../address.js';
import { sameAddress } from '../../address.js';
import { copyBytes } from '../../copy-bytes.js';

/** At most this many times the bytes that came from an unproven address may be sent to it (spec path 2). */
export const AMPLIFICATION_LIMIT = 3;
/** How many addresses that we chose ourselves are remembered until one of them answers (spec outage 7). */
export const MAX_CHOSEN_ADDRESSES = 8;
/** How many challenges are sent to an address before it is given up (RFC 9000 §8.2.4; spec path 3). */
export const MAX_CHALLENGES = 3;
const CHALLENGE_BYTES = 8;
const NONE: readonly Address[] = [];

/** What the path learns of a datagram that authenticated. */
export interface ReceivedDatagram {
  readonly from: Address;
  /** The size of its UDP payload. */
  readonly bytes: number;
  /** For a transport message: where we sent our own message of the handshake that made its keypair. The peer must have
   *  received that message, because it has the keys. */
  readonly reachedAt?: Address | undefined;
  /** Whether nothing newer has come from the peer so far, so that it may move the path (spec path 1). */
  readonly isNewest: boolean;
}

/** An address that is not proven, and its account: the bytes of UDP payload that came from it and that were sent to it,
 *  of all message types. */
interface Unproven {
  readonly address: Address;
  receivedBytes: number;
  sentBytes: number;
  /** Absent while no address is proven: the first proof is the use of our keys. */
  trial: Trial | undefined;
}

/** The challenge that an address has to answer. */
interface Trial {
  readonly challenge: Uint8Array;
  challengesSent: number;
  /** When the next challenge is due, or, after the last one, when the trial has failed. */
  nextAt: number;
}

/** What changed in a proven move: only the port, or the IP address too. It decides what is still known about the path
 *  (spec path 4). */
export type MoveKind = 'port' | 'address';

/** Where one peer is, whether that is proven, and how much may be sent there (docs/spec/path.md).
 *
 *  The path uses at most two addresses: the last one that was proven, and an unproven one that the peer seems to have
 *  moved to, or that the first initiation came from. Datagrams go to the unproven address as soon as there is one, but
 *  no more than three times the bytes that came from it. It is proven when the peer answers a challenge. At first
 *  contact, the address that our handshake message went to is proven when somebody uses the keys, which only the
 *  receiver of that message has. If the proof does not come, the path goes back to the proven address.
 *
 *  The session asks the path before it sends handshake messages and keepalives. It also reports to it every datagram
 *  that it sent and every one that authenticated. Only these reports move the peer, apart from the owner, who may
 *  choose an address with `trust`. The path never sends anything: the connection sends its challenges. */
export class Path {
  readonly #random: (length: number) => Uint8Array;
  #proven: Address | undefined;
  #unproven: Unproven | undefined;
  /** The last address whose trial ended without proof. Its account stays: a peer that sends little can then save up for
   *  a challenge, and none can use the same bytes twice. */
  #givenUp: Unproven | undefined;
  /** The addresses that we chose since the peer was last heard at one of them. Each counts as proven. */
  #chosen: readonly Address[] = NONE;

  constructor(random: (length: number) => Uint8Array) {
    this.#random = random;
  }

  /** Where datagrams are sent now, proven or not. Undefined if no address is known. */
  get address(): Address | undefined {
    return this.#unproven?.address ?? this.#proven;
  }
  /** The address that has to answer a challenge, if there is one. */
  get candidate(): Address | undefined {
    return this.#unproven?.trial === undefined ? undefined : this.#unproven.address;
  }
  /** The bytes that this address has to answer. */
  get challenge(): Uint8Array | undefined {
    return this.#unproven?.trial?.challenge;
  }
  /** The last address that was proven, if there is one. */
  get proven(): Address | undefined {
    return this.#proven;
  }
  /** Whether `address` is proven, so that any amount may be sent there. */
  get isProven(): boolean {
    return this.#unproven === undefined;
  }

  /** Moves the path to an address that we chose ourselves, which needs no proof (spec path 2). Addresses that we chose
   *  before count as proven too, until one of them answers. */
  trust(address: Address): void {
    if (!this.#chosen.some((chosen) => sameAddress(chosen, address))) {
      this.#chosen = [...this.#chosen, address].slice(-MAX_CHOSEN_ADDRESSES);
    }
    this.#prove(address);
    this.#giveUp();
  }

  /** A datagram authenticated. It may move the path, and prove an address. */
  onReceived(now: number, { from, bytes, reachedAt, isNewest }: ReceivedDatagram): void {
    const current = isNewest ? from : this.address;
    if (current === undefined) return;
    if (
      this.#chosen.length > 0 &&
      sameAddress(from, current) &&
      this.#chosen.some((chosen) => sameAddress(chosen, current))
    ) {
      this.#prove(current);
      this.#chosen = NONE;
    }
    // A handshake message may be a copy that somebody else sent, so its source proves nothing. But whoever uses the
    // keys has received our own handshake message, at the address that it went to.
    if (this.#proven === undefined && reachedAt !== undefined) this.#prove(reachedAt);
    if (sameAddress(current, this.#proven)) {
      this.#giveUp();
      return;
    }
    if (!sameAddress(current, this.#unproven?.address)) {
      const known = sameAddress(current, this.#givenUp?.address) ? this.#givenUp : undefined;
      this.#giveUp();
      this.#unproven = known ?? { address: current, receivedBytes: 0, sentBytes: 0, trial: undefined };
    }
    const unproven = this.#unproven as Unproven;
    // The first proof may be for another address, which the path has left already.
    if (this.#proven !== undefined) unproven.trial ??= this.#newTrial(now);
    if (sameAddress(from, unproven.address)) unproven.receivedBytes += bytes;
  }

  /** Goes back to the proven address, if there is one: the datagrams from the unproven address were not the peer's. */
  endTrial(): void {
    if (this.#proven !== undefined) this.#giveUp();
  }

  /** How many bytes of UDP payload may be sent to `address` now, in messages of any type. */
  get allowanceBytes(): number {
    const unproven = this.#unproven;
    if (unproven === undefined) return Number.POSITIVE_INFINITY;
    return Math.max(0, AMPLIFICATION_LIMIT * unproven.receivedBytes - unproven.sentBytes);
  }

  /** A datagram was sent to `address`.
   *  @param bytes the size of its UDP payload */
  onSent(bytes: number): void {
    if (this.#unproven !== undefined) this.#unproven.sentBytes += bytes;
  }

  /** Takes the challenge that is due, if there is one.
   *  @param probeTimeoutMs how long to wait for the answer
   *  @returns the 8 bytes to send in PATH_CHALLENGE */
  takeChallenge(now: number, probeTimeoutMs: number): Uint8Array | undefined {
    const trial = this.#unproven?.trial;
    if (trial === undefined || now < trial.nextAt || trial.challengesSent === MAX_CHALLENGES)
      return undefined;
    trial.challengesSent++;
    trial.nextAt = now + probeTimeoutMs;
    return trial.challenge;
  }

  /** Goes back to the proven address if the other one has not answered any challenge in time. */
  handleTimeout(now: number): void {
    const trial = this.#unproven?.trial;
    if (trial === undefined || trial.challengesSent < MAX_CHALLENGES || now < trial.nextAt) return;
    this.#giveUp();
  }

  /** A PATH_RESPONSE arrived, from any address.
   *  @returns what changed, if the response proves the candidate */
  onResponse(data: Uint8Array): MoveKind | undefined {
    const unproven = this.#unproven;
    if (unproven?.trial === undefined) return undefined;
    const { challenge } = unproven.trial;
    for (let i = 0; i < CHALLENGE_BYTES; i++) if (data[i] !== challenge[i]) return undefined;
    const kind = this.#proven?.address === unproven.address.address ? 'port' : 'address';
    this.#prove(unproven.address);
    return kind;
  }

  /** When a challenge is due or a trial has failed, in ms; Infinity if there is no trial. */
  get dueAt(): number {
    return this.#unproven?.trial?.nextAt ?? Number.POSITIVE_INFINITY;
  }

  /** From now on the address is proven, and it needs no account. */
  #prove(address: Address): void {
    this.#proven = address;
    if (sameAddress(address, this.#unproven?.address)) this.#unproven = undefined;
    if (sameAddress(address, this.#givenUp?.address)) this.#givenUp = undefined;
  }

  /** Goes back to the proven address, and keeps the account of the other one. */
  #giveUp(): void {
    if (this.#unproven === undefined) return;
    this.#unproven.trial = undefined;
    this.#givenUp = this.#unproven;
    this.#unproven = undefined;
  }

  #newTrial(now: number): Trial {
    return { challenge: copyBytes(this.#random(CHALLENGE_BYTES)), challengesSent: 0, nextAt: now };
  }
}
