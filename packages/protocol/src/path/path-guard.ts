/** Which of a peer's addresses is proven (spec path 2, 3): until a new one is, little is sent there, and nothing is learned of it. */
import type { Address } from '../address.js';
import { sameAddress } from '../address.js';

/** spec path 2: towards an address that is not proven, at most so many times what came from it. */
export const AMPLIFICATION_LIMIT = 3;
/** Challenges sent to one address before giving it up (RFC 9000 §8.2.4). */
export const MAX_CHALLENGES = 3;
const CHALLENGE_BYTES = 8;

export interface ReceivedDatagram {
  readonly from: Address;
  /** UDP payload. */
  readonly bytes: number;
  /** It is a transport message. */
  readonly usesKeys: boolean;
}

interface Candidate {
  readonly address: Address;
  readonly challenge: Uint8Array;
  receivedBytes: number;
  sentBytes: number;
  challengesSent: number;
  /** When the next challenge goes out, or the candidate is given up. */
  nextAt: number;
}

/** What a validated move means for what is known of the path. */
export type MoveKind = 'port' | 'address';

export class PathGuard {
  readonly #random: (length: number) => Uint8Array;
  /** Where the first response goes, as long as nothing is proven. */
  #answered: Address | undefined;
  #proven: Address | undefined;
  #candidate: Candidate | undefined;

  constructor(random: (length: number) => Uint8Array) {
    this.#random = random;
  }

  /** The address that is to be proven, or undefined. */
  get candidate(): Address | undefined {
    return this.#candidate?.address;
  }
  get proven(): Address | undefined {
    return this.#proven;
  }

  /** We chose this address ourselves. */
  trust(address: Address): void {
    this.#proven = address;
    this.#candidate = undefined;
  }

  /** An authenticated datagram arrived. @param current where the session sends to now */
  onReceived(now: number, { from, bytes, usesKeys }: ReceivedDatagram, current: Address | undefined): void {
    if (this.#proven === undefined) {
      // An initiation may be a copy; whoever then uses our keys has our response, and that went to where the initiation came from.
      if (!usesKeys) {
        this.#answered = current;
        return;
      }
      this.#proven = this.#answered ?? current;
    }
    if (current === undefined || sameAddress(current, this.#proven)) {
      this.#candidate = undefined;
      return;
    }
    if (!sameAddress(current, this.#candidate?.address)) this.#propose(now, current);
    const candidate = this.#candidate as Candidate;
    if (sameAddress(from, candidate.address)) candidate.receivedBytes += bytes;
  }

  /** Bytes of UDP payload that may be sent now. */
  get allowanceBytes(): number {
    const candidate = this.#candidate;
    if (candidate === undefined) return Number.POSITIVE_INFINITY;
    return Math.max(0, AMPLIFICATION_LIMIT * candidate.receivedBytes - candidate.sentBytes);
  }

  onSent(bytes: number): void {
    if (this.#candidate !== undefined) this.#candidate.sentBytes += bytes;
  }

  /** @returns the 8 bytes to send in PATH_CHALLENGE now, or undefined */
  takeChallenge(now: number, probeTimeoutMs: number): Uint8Array | undefined {
    const candidate = this.#candidate;
    if (candidate === undefined || now < candidate.nextAt || candidate.challengesSent === MAX_CHALLENGES) {
      return undefined;
    }
    candidate.challengesSent++;
    candidate.nextAt = now + probeTimeoutMs;
    return candidate.challenge;
  }

  /** @returns the address to go back to when the candidate did not answer, or undefined */
  takeExpired(now: number): Address | undefined {
    const candidate = this.#candidate;
    if (candidate === undefined || candidate.challengesSent < MAX_CHALLENGES || now < candidate.nextAt) {
      return undefined;
    }
    this.#candidate = undefined;
    return this.#proven;
  }

  /** PATH_RESPONSE arrived, from wherever. @returns what moved when it proves the candidate, or undefined */
  onResponse(data: Uint8Array): MoveKind | undefined {
    const candidate = this.#candidate;
    if (candidate === undefined) return undefined;
    for (let i = 0; i < CHALLENGE_BYTES; i++) if (data[i] !== candidate.challenge[i]) return undefined;
    const kind = this.#proven?.address === candidate.address.address ? 'port' : 'address';
    this.#proven = candidate.address;
    this.#candidate = undefined;
    return kind;
  }

  /** When something of the above is due, or infinity. */
  get dueAt(): number {
    return this.#candidate?.nextAt ?? Number.POSITIVE_INFINITY;
  }

  #propose(now: number, address: Address): void {
    const challenge = new Uint8Array(this.#random(CHALLENGE_BYTES));
    this.#candidate = { address, challenge, receivedBytes: 0, sentBytes: 0, challengesSent: 0, nextAt: now };
  }
}
