/** Where a peer is, whether that is proven, and how much may be sent there (spec path). */
import type { Address } from '../../address.js';
import { sameAddress } from '../../address.js';
import { copyBytes } from '../../copy-bytes.js';

/** spec path 2: towards an address that is not proven, at most so many times what came from it. */
export const AMPLIFICATION_LIMIT = 3;
/** Addresses of ours that may be tried one after the other until one answers (spec outage 7). */
export const MAX_CHOSEN_ADDRESSES = 8;
/** Challenges sent to one address before giving it up (RFC 9000 §8.2.4). */
export const MAX_CHALLENGES = 3;
const CHALLENGE_BYTES = 8;

export interface ReceivedDatagram {
  readonly from: Address;
  /** UDP payload. */
  readonly bytes: number;
  /** It is a transport message. */
  readonly usesKeys: boolean;
  /** Nothing newer has come from the peer so far, so that it may move the path (spec path 1). */
  readonly isNewest: boolean;
}

/** An address that is not proven, and the bytes of UDP payload that came from it and went there, of every message type. */
interface Unproven {
  readonly address: Address;
  receivedBytes: number;
  sentBytes: number;
  /** Absent at first contact: there the use of our keys is the proof. */
  readonly trial: Trial | undefined;
}

interface Trial {
  readonly challenge: Uint8Array;
  challengesSent: number;
  /** When the next challenge goes out, or the trial has failed. */
  nextAt: number;
}

/** What a validated move means for what is known of the path. */
export type MoveKind = 'port' | 'address';

/** Where one peer is.
 *
 *  The path knows at most two addresses: the last one that was proven, and another one that the peer seems to have moved to, or that
 *  an unknown peer's initiation came from. Datagrams go to the second as soon as there is one, but no more than three times what came
 *  from it. It is proven when it answers a challenge, or, at first contact, when somebody uses keys that only our response gave; else the
 *  path goes back. The session asks it before it sends, and tells it of every datagram that it sent or authenticated, handshakes and
 *  keepalives too; nobody else moves it, but for the owner who chooses an address. */
export class Path {
  readonly #random: (length: number) => Uint8Array;
  #proven: Address | undefined;
  #unproven: Unproven | undefined;
  /** The address that was last tried in vain, and its account: one that says little must be able to save up for a challenge, and
   *  none may spend twice. */
  #givenUp: Unproven | undefined;
  /** Addresses that we chose since the peer was last heard at one of them: each is as good as proven. */
  #chosen: Address[] = [];

  constructor(random: (length: number) => Uint8Array) {
    this.#random = random;
  }

  /** Where datagrams go now, proven or not; undefined before anything is known of the peer. */
  get address(): Address | undefined {
    return this.#unproven?.address ?? this.#proven;
  }
  /** The address that has to answer a challenge, or undefined. */
  get candidate(): Address | undefined {
    return this.#unproven?.trial === undefined ? undefined : this.#unproven.address;
  }
  get proven(): Address | undefined {
    return this.#proven;
  }

  /** We chose this address ourselves. What was chosen before stays trusted until one of them answers. */
  trust(address: Address): void {
    if (!this.#chosen.some((chosen) => sameAddress(chosen, address))) this.#chosen.push(address);
    if (this.#chosen.length > MAX_CHOSEN_ADDRESSES) this.#chosen.shift();
    this.#proven = address;
    this.#unproven = undefined;
  }

  /** An authenticated datagram arrived. */
  onReceived(now: number, { from, bytes, usesKeys, isNewest }: ReceivedDatagram): void {
    const current = isNewest ? from : this.address;
    if (current === undefined) return;
    if (sameAddress(from, current) && this.#chosen.some((chosen) => sameAddress(chosen, current))) {
      this.#proven = current;
      this.#chosen = [];
    }
    // An initiation may be a copy; whoever then uses our keys has our response, and that went to where the initiation came from.
    if (this.#proven === undefined && usesKeys) this.#proven = this.#unproven?.address ?? current;
    if (sameAddress(current, this.#proven)) {
      this.#giveUp();
      return;
    }
    if (!sameAddress(current, this.#unproven?.address)) {
      const known = sameAddress(current, this.#givenUp?.address) ? this.#givenUp : undefined;
      this.#giveUp();
      const trial = this.#proven === undefined ? undefined : this.#newTrial(now);
      const { receivedBytes = 0, sentBytes = 0 } = known ?? {};
      this.#unproven = { address: current, receivedBytes, sentBytes, trial };
    }
    const unproven = this.#unproven as Unproven;
    if (sameAddress(from, unproven.address)) unproven.receivedBytes += bytes;
  }

  /** Whoever was heard from the unproven address was not the peer: back to the proven one, where there is one. */
  endTrial(): void {
    if (this.#proven !== undefined) this.#giveUp();
  }

  /** Bytes of UDP payload, of whatever message, that may be sent now. */
  get allowanceBytes(): number {
    const unproven = this.#unproven;
    if (unproven === undefined) return Number.POSITIVE_INFINITY;
    return Math.max(0, AMPLIFICATION_LIMIT * unproven.receivedBytes - unproven.sentBytes);
  }

  onSent(bytes: number): void {
    if (this.#unproven !== undefined) this.#unproven.sentBytes += bytes;
  }

  /** @returns the 8 bytes to send in PATH_CHALLENGE now, or undefined */
  takeChallenge(now: number, probeTimeoutMs: number): Uint8Array | undefined {
    const trial = this.#unproven?.trial;
    if (trial === undefined || now < trial.nextAt || trial.challengesSent === MAX_CHALLENGES)
      return undefined;
    trial.challengesSent++;
    trial.nextAt = now + probeTimeoutMs;
    return trial.challenge;
  }

  /** Goes back to the proven address when the other one did not answer any challenge. */
  handleTimeout(now: number): void {
    const trial = this.#unproven?.trial;
    if (trial === undefined || trial.challengesSent < MAX_CHALLENGES || now < trial.nextAt) return;
    this.#giveUp();
  }

  /** PATH_RESPONSE arrived, from wherever. @returns what moved when it proves the candidate, or undefined */
  onResponse(data: Uint8Array): MoveKind | undefined {
    const unproven = this.#unproven;
    if (unproven?.trial === undefined) return undefined;
    const { challenge } = unproven.trial;
    for (let i = 0; i < CHALLENGE_BYTES; i++) if (data[i] !== challenge[i]) return undefined;
    const kind = this.#proven?.address === unproven.address.address ? 'port' : 'address';
    this.#proven = unproven.address;
    this.#unproven = undefined;
    return kind;
  }

  /** When something of the above is due, or infinity. */
  get dueAt(): number {
    return this.#unproven?.trial?.nextAt ?? Number.POSITIVE_INFINITY;
  }

  /** Back to the proven address. The account of the other one stays. */
  #giveUp(): void {
    if (this.#unproven !== undefined) this.#givenUp = this.#unproven;
    this.#unproven = undefined;
  }

  #newTrial(now: number): Trial {
    return { challenge: copyBytes(this.#random(CHALLENGE_BYTES)), challengesSent: 0, nextAt: now };
  }
}
