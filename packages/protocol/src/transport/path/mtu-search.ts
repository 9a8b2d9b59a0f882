import { assert } from '../../assert.js';
import { PADDING_BYTES } from '../../datagram-layout.js';
import type { Deadline } from '../../deadline.js';

/** All sizes are multiples of this, WireGuard's padding (spec mtu 1.1). */
export const MTU_STEP_BYTES: number = PADDING_BYTES;
/** A size is too large when this many probes of it in a row were lost (RFC 8899 §5.1.2, MAX_PROBES). */
export const MAX_PROBES = 3;
/** A probe is forgotten if nothing was reported about it for this long (RFC 8899 §5.1.1, PROBE_TIMER). */
export const PROBE_FORGOTTEN_MS = 15_000;
/** The time from the end of a search to the next one (RFC 8899 §5.1.1, PMTU_RAISE_TIMER). */
export const RAISE_MS = 600_000;
/** How many bursts of losses make a black hole, as in quinn and s2n-quic (spec mtu 4.1). */
export const BLACK_HOLE_BURSTS = 3;
/** How many probe timeouts in a row make a black hole (spec mtu 4.2). A single one may be the loss of the last packet
 *  that there was to send. This number is our own. */
export const BLACK_HOLE_PROBE_TIMEOUTS = 2;
/** The time from a fall to the next search, as in quinn and s2n-quic (spec mtu 4.3). */
export const COOL_OFF_MS = 60_000;
/** Sizes that are common on real paths, the largest first (spec mtu 3.1): an MTU of 1500 less 28 bytes for IPv4 and
 *  UDP; 1500 less 48 for IPv6 and UDP, rounded down; 1420, the MTU of a WireGuard interface, less 28. */
export const LIKELY_BYTES: readonly number[] = [1472, 1440, 1392];

/** The range of the search. Both sizes are multiples of 16. */
export interface MtuLimits {
  /** The size that needs no probe, because it may travel in fragments. Datagrams never become smaller
   *  (spec mtu 1.2). */
  readonly baseBytes: number;
  /** The largest size that is probed. If it equals `baseBytes`, there is no search (spec mtu 1.3). */
  readonly maxBytes: number;
}

/** Losses that are assumed to have one cause (spec mtu 4.1). */
interface Burst {
  /** When its first loss was declared. Packets sent later belong to the next burst. */
  readonly declaredAt: number;
  newestSentAt: number;
  largestBytes: number;
}

/** Finds out how large datagrams may be on the path (RFC 8899, DPLPMTUD; docs/spec/mtu.md), and notices when the path
 *  MTU becomes smaller.
 *
 *  The search narrows a range: its lower end is the largest size that was acknowledged, its upper end the smallest that
 *  was found too large. It sends one probe at a time, of a size in between, and each probe that is acknowledged or lost
 *  three times moves one of the ends. Three bursts of lost packets, or two probe timeouts, make it fall back to the
 *  base.
 *
 *  The search knows nothing about packets. The connection asks `probeBytes` for the size of the next probe, sends it,
 *  and reports what became of it, once. It reports probes only to the methods with Probe in their names, and ordinary
 *  packets only to the others. Sizes are bytes of UDP payload, times milliseconds. */
export class MtuSearch {
  readonly #baseBytes: number;
  readonly #ownMaxBytes: number;
  /** The smaller of our own maximum and the peer's. */
  #maxBytes: number;
  /** The size in use: the lower end of the range. */
  #datagramBytes: number;

  /** The size to probe next; 0 while there is no search. It is above `#datagramBytes`, or the base itself
   *  (spec mtu 3.6). */
  #candidateBytes = 0;
  /** How many probes of `#candidateBytes` were lost in a row. */
  #losses = 0;
  /** Sizes that losses showed to be too large, in descending order, all above `#datagramBytes`. The first one was not
   *  found: it is the end of the whole range. */
  #tooLarge: number[] = [];
  /** The smallest size that the system refused to send. */
  #refusedBytes = Number.POSITIVE_INFINITY;
  /** The size that was found too large twice (spec mtu 3.4). */
  #confirmedBytes = 0;
  /** Whether a datagram of the base arrives in one piece (spec mtu 3.6). */
  #base: 'unknown' | 'whole' | 'fragmented' = 'unknown';
  /** While there is no search: when the next one begins. */
  #searchAt = Number.POSITIVE_INFINITY;
  /** The size that was in use when losses made it fall, or 0. The next search tries it last (spec mtu 4.3). */
  #suspectBytes = 0;

  /** The size of the outstanding probe; 0 if there is none. */
  #outstandingBytes = 0;
  #outstandingSentAt = 0;
  /** The search has started over since the outstanding probe was sent. */
  #isOutstandingStale = false;

  /** The bursts that stand, fewer than BLACK_HOLE_BURSTS, the oldest first. */
  #bursts: Burst[] = [];
  /** When the newest packet of full size among those acknowledged was sent. */
  #fullSentAt = Number.NEGATIVE_INFINITY;
  /** Probe timeouts in a row with nothing acknowledged in between. */
  #probeTimeouts = 0;

  constructor(limits: MtuLimits) {
    const { baseBytes, maxBytes } = limits;
    assert(baseBytes % MTU_STEP_BYTES === 0 && maxBytes % MTU_STEP_BYTES === 0, 'sizes need no padding');
    assert(0 < baseBytes && baseBytes <= maxBytes, 'the base is within the limit');
    this.#baseBytes = baseBytes;
    this.#ownMaxBytes = maxBytes;
    this.#maxBytes = maxBytes;
    this.#datagramBytes = baseBytes;
    this.#beginSearch(0);
  }

  /** How large datagrams may be now. */
  get datagramBytes(): number {
    return this.#datagramBytes;
  }

  /** Whether even datagrams of the base size travel in fragments (spec mtu 3.6). */
  get isBaseFragmented(): boolean {
    return this.#base === 'fragmented';
  }

  /** Begins the search that is due, if one is. */
  handleTimeout(now: number): void {
    if (now >= this.#searchAt) this.#beginSearch(now);
  }

  /** Returns the size of the probe to send now, if one is due. The connection asks before it sends, and also when the
   *  deadline of `pollTimeout` has come. */
  probeBytes(now: number): number | undefined {
    // One at a time. A probe that is forgotten does not count as lost (spec mtu 2.3).
    if (this.#outstandingBytes !== 0 && now < this.#outstandingSentAt + PROBE_FORGOTTEN_MS) return undefined;
    this.#outstandingBytes = 0;
    this.handleTimeout(now);
    return this.#candidateBytes === 0 ? undefined : this.#candidateBytes;
  }

  /** A probe of the size that `probeBytes` returned was sent. */
  onProbeSent(now: number, bytes: number): void {
    this.#outstandingBytes = bytes;
    this.#outstandingSentAt = now;
    this.#isOutstandingStale = false;
  }

  /** The outstanding probe was acknowledged. */
  onProbeAcknowledged(now: number, bytes: number): void {
    this.#probeTimeouts = 0;
    if (this.#outstandingBytes === 0 || bytes !== this.#outstandingBytes) return;
    this.#outstandingBytes = 0;
    // It must not be of another path, nor of a size that the system or a new maximum forbids by now (spec mtu 3.3).
    if (this.#isOutstandingStale || bytes !== this.#candidateBytes) return;
    this.#base = 'whole';
    this.#datagramBytes = bytes;
    this.#fullSentAt = this.#outstandingSentAt;
    this.#refuteBursts(bytes, this.#outstandingSentAt);
    while (this.#tooLarge.length > 1 && this.#smallestTooLarge() <= bytes) this.#tooLarge.pop();
    this.#next(now);
  }

  /** The outstanding probe was lost. */
  onProbeLost(now: number): void {
    const bytes = this.#outstandingBytes;
    this.#outstandingBytes = 0;
    if (bytes === 0 || this.#isOutstandingStale || bytes !== this.#candidateBytes) return;
    this.#losses++;
    // Three losses in a row make a size too large (spec mtu 3.2).
    if (this.#losses < MAX_PROBES) return;
    if (bytes === this.#baseBytes) this.#base = 'fragmented';
    else if (bytes === this.#smallestTooLarge()) this.#confirmedBytes = bytes;
    else this.#tooLarge.push(bytes);
    this.#next(now);
  }

  /** An ordinary packet was declared lost.
   *  @returns whether that made `datagramBytes` fall */
  onPacketLost(now: number, bytes: number, sentAt: number): boolean {
    if (bytes <= this.#baseBytes || bytes > this.#datagramBytes || sentAt <= this.#fullSentAt) return false;
    const last = this.#bursts.at(-1);
    if (last !== undefined && sentAt <= last.declaredAt) {
      last.newestSentAt = Math.max(last.newestSentAt, sentAt);
      last.largestBytes = Math.max(last.largestBytes, bytes);
      return false;
    }
    this.#bursts.push({ declaredAt: now, newestSentAt: sentAt, largestBytes: bytes });
    // Three bursts show that the path MTU became smaller (spec mtu 4.1).
    if (this.#bursts.length < BLACK_HOLE_BURSTS) return false;
    this.#suspectBytes = this.#datagramBytes;
    this.#fall(now + COOL_OFF_MS);
    return true;
  }

  /** An ordinary packet, of any size, was acknowledged. */
  onPacketAcknowledged(bytes: number, sentAt: number): void {
    this.#probeTimeouts = 0;
    if (bytes >= this.#datagramBytes && sentAt > this.#fullSentAt) this.#fullSentAt = sentAt;
    if (this.#bursts.length > 0) this.#refuteBursts(bytes, sentAt);
  }

  /** Starts over from the base, because the path or the peer's maximum has changed (spec mtu 5).
   *  @param maxBytes the peer's maximum, which may be any number: the limits given to the constructor still hold. If it
   *  is
   *    absent, the maximum does not change. */
  restart(now: number, maxBytes = this.#maxBytes): void {
    this.#maxBytes = Math.max(this.#baseBytes, roundDown(Math.min(maxBytes, this.#ownMaxBytes)));
    this.#suspectBytes = 0;
    this.#fall(now);
    this.#beginSearch(now);
  }

  /** The system refused to send a datagram because of its size: EMSGSIZE, and no other error (spec mtu 4.4).
   *  @param bytes the size of the datagram
   *  @returns whether that made `datagramBytes` fall */
  onTooLarge(now: number, bytes: number): boolean {
    if (bytes <= this.#baseBytes && this.#candidateBytes === this.#baseBytes) {
      this.#base = 'fragmented';
      this.#next(now);
      return false;
    }
    // The base needs no probe, whatever the system says (spec mtu 1.2).
    const refused = Math.max(roundDown(bytes + MTU_STEP_BYTES - 1), this.#baseBytes + MTU_STEP_BYTES);
    if (refused >= this.#refusedBytes) return false;
    this.#refusedBytes = refused;
    if (this.#datagramBytes < refused) {
      if (this.#candidateBytes >= refused) this.#next(now);
      return false;
    }
    // The system itself says so, so the search continues at once, without a cool-off (spec mtu 4.4).
    this.#fall(now);
    this.#beginSearch(now, refused);
    return true;
  }

  /** A probe timeout of the connection expired while ordinary packets larger than the base were in flight. The caller
   *  need not look for acknowledgements between two timeouts: the search does.
   *  @returns whether that made `datagramBytes` fall */
  onProbeTimeout(now: number): boolean {
    if (this.#datagramBytes === this.#baseBytes) return false;
    this.#probeTimeouts++;
    // All packets are large, and none arrives (spec mtu 4.2).
    if (this.#probeTimeouts < BLACK_HOLE_PROBE_TIMEOUTS) return false;
    // No size is suspected: a suspicion begins with a fall, and the search after it ends the suspicion (spec mtu 4.3).
    this.#fall(now + COOL_OFF_MS);
    return true;
  }

  /** While there is no search: when the next one begins. This deadline stands until `probeBytes` or
   *  `handleTimeout` is called at that time or later. */
  pollTimeout(): Deadline | undefined {
    if (this.#searchAt === Number.POSITIVE_INFINITY) return undefined;
    return { at: this.#searchAt, reason: 'mtu search' };
  }

  /** Removes the bursts that an acknowledged packet refutes: it was as large as their largest, and sent no earlier than
   *  their newest. */
  #refuteBursts(bytes: number, sentAt: number): void {
    this.#bursts = this.#bursts.filter((burst) => bytes < burst.largestBytes || sentAt < burst.newestSentAt);
  }

  #smallestTooLarge(): number {
    return this.#tooLarge.at(-1) as number;
  }

  /** Begins a search from the current size.
   *  @param refusedBytes the smallest size that the system is still known to refuse */
  #beginSearch(now: number, refusedBytes = Number.POSITIVE_INFINITY): void {
    this.#tooLarge = [this.#maxBytes + MTU_STEP_BYTES];
    this.#refusedBytes = refusedBytes;
    this.#confirmedBytes = 0;
    this.#base = this.#datagramBytes > this.#baseBytes ? 'whole' : 'unknown';
    // The size that failed is assumed to be too large, and so is tried last (spec mtu 4.3).
    if (this.#suspectBytes > this.#datagramBytes && this.#suspectBytes <= this.#maxBytes) {
      this.#tooLarge.push(this.#suspectBytes);
    }
    this.#suspectBytes = 0;
    this.#next(now);
  }

  /** Chooses the next candidate, or ends the search. */
  #next(now: number): void {
    this.#losses = 0;
    this.#searchAt = Number.POSITIVE_INFINITY;
    this.#candidateBytes = this.#chooseCandidate();
    // The search has ended below the maximum: it is repeated later (spec mtu 3.5).
    if (this.#candidateBytes === 0 && this.#datagramBytes < this.#maxBytes) this.#searchAt = now + RAISE_MS;
  }

  /** @returns the next size to probe, or 0 if there is nothing left to find out */
  #chooseCandidate(): number {
    const low = this.#datagramBytes;
    const tooLarge = this.#smallestTooLarge();
    const high = Math.min(tooLarge, this.#refusedBytes);
    if (high - low > MTU_STEP_BYTES) {
      // First the maximum, then common sizes, then the middle (spec mtu 3.1).
      if (high > this.#maxBytes) return this.#maxBytes;
      return LIKELY_BYTES.find((bytes) => low < bytes && bytes < high) ?? low + roundDown((high - low) / 2);
    }
    const mayBeChance = tooLarge < this.#refusedBytes && tooLarge <= this.#maxBytes;
    // Three losses may be chance, so the smallest size that is too large is tried once more (spec mtu 3.4).
    if (mayBeChance && tooLarge !== this.#confirmedBytes) return tooLarge;
    // Last, whether the base arrives in one piece (spec mtu 3.6).
    return this.#base === 'unknown' && low < this.#maxBytes ? low : 0;
  }

  /** Falls to the base. The next search begins at `searchAt`. */
  #fall(searchAt: number): void {
    this.#datagramBytes = this.#baseBytes;
    this.#candidateBytes = 0;
    this.#searchAt = searchAt;
    this.#isOutstandingStale = true;
    this.#bursts = [];
    this.#fullSentAt = Number.NEGATIVE_INFINITY;
    this.#probeTimeouts = 0;
  }
}

function roundDown(bytes: number): number {
  return Math.floor(bytes / MTU_STEP_BYTES) * MTU_STEP_BYTES;
}
