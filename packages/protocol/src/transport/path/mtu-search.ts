/** Finds how large datagrams may be on the path (spec mtu; RFC 8899, DPLPMTUD), and notices when it became smaller.
 *
 *  It knows nothing of packets: its user sends a probe when `probeBytes` says so and reports what became of it, once. Probes are
 *  reported with the methods that have Probe in their names and with no other. Sizes are bytes of UDP payload. */
import { assert } from '../../assert.js';
import { PADDING_BYTES } from '../../datagram-layout.js';
import type { Deadline } from '../../deadline.js';

/** Sizes are multiples of WireGuard's padding (spec mtu 1.1). */
export const MTU_STEP_BYTES: number = PADDING_BYTES;
/** Losses of one size in a row that make it too large (RFC 8899 §5.1.2, MAX_PROBES). */
export const MAX_PROBES = 3;
/** After which a probe that nobody reported on is forgotten (RFC 8899 §5.1.1, PROBE_TIMER). */
export const PROBE_FORGOTTEN_MS = 15_000;
/** From the end of a search to the next one (RFC 8899 §5.1.1, PMTU_RAISE_TIMER). */
export const RAISE_MS = 600_000;
/** Bursts of losses that make a black hole; as quinn and s2n-quic have it. */
export const BLACK_HOLE_BURSTS = 3;
/** Probe timeouts in a row, ours: one may be a single loss at the end of what there was to send. */
export const BLACK_HOLE_PROBE_TIMEOUTS = 2;
/** From a fall to the next search; as quinn and s2n-quic have it. */
export const COOL_OFF_MS = 60_000;
/** Paths that are met often (spec mtu 3.1), the largest first: an MTU of 1500 less 28 bytes of IPv4 and UDP; 1500 less 48 of
 *  IPv6 and UDP, rounded down; 1420, that of a WireGuard interface, less 28. */
export const LIKELY_BYTES: readonly number[] = [1472, 1440, 1392];

export interface MtuLimits {
  /** The size that needs no probe, because it may travel in fragments; never fallen below. A multiple of 16, like the other. */
  readonly baseBytes: number;
  /** Never probed above. Equal to `baseBytes`: there is no search. */
  readonly maxBytes: number;
}

/** Losses that have one cause, whatever it is (spec mtu 4.1). */
interface Burst {
  /** A packet that was sent later belongs to the next burst. */
  readonly declaredAt: number;
  newestSentAt: number;
  largestBytes: number;
}

export class MtuSearch {
  readonly #baseBytes: number;
  readonly #ownMaxBytes: number;
  #maxBytes: number;
  #datagramBytes: number;

  /** What to ask for next; 0 while no search runs. Above `#datagramBytes`, or the base itself (spec mtu 3.6). */
  #candidateBytes = 0;
  /** Probes of `#candidateBytes` lost in a row. */
  #losses = 0;
  /** Sizes found too large by losses, each smaller than the one before it; all above `#datagramBytes`. The first is no finding but
   *  the end of the range. */
  #tooLarge: number[] = [];
  /** The smallest size that the system refused. */
  #refusedBytes = Number.POSITIVE_INFINITY;
  /** The size that was found too large a second time. */
  #confirmedBytes = 0;
  /** Whether a datagram of the base arrives in one piece (spec mtu 3.6). */
  #base: 'unknown' | 'whole' | 'fragmented' = 'unknown';
  /** When no search runs: when the next begins. */
  #searchAt = Number.POSITIVE_INFINITY;
  /** The size in use when losses made it fall; 0: none. The next search comes to it last. */
  #suspectBytes = 0;

  /** The probe on its way; 0: none. */
  #outstandingBytes = 0;
  #outstandingSentAt = 0;
  /** The search began anew since that probe was sent. */
  #isOutstandingStale = false;

  /** Fewer than BLACK_HOLE_BURSTS, the oldest first. */
  #bursts: Burst[] = [];
  /** When the newest packet of full size that was acknowledged was sent. */
  #fullSentAt = Number.NEGATIVE_INFINITY;
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

  /** What full datagrams may be now. */
  get datagramBytes(): number {
    return this.#datagramBytes;
  }

  /** The path carries no full datagram in one piece, so the system and routers cut it into fragments (spec mtu 3.6). */
  get isBaseFragmented(): boolean {
    return this.#base === 'fragmented';
  }

  /** Size of the probe to send now, or undefined. To be asked also when the deadline of `pollTimeout` has come. */
  probeBytes(now: number): number | undefined {
    // spec mtu 2.3: one at a time; one that is forgotten is no loss
    if (this.#outstandingBytes !== 0 && now < this.#outstandingSentAt + PROBE_FORGOTTEN_MS) return undefined;
    this.#outstandingBytes = 0;
    if (now >= this.#searchAt) this.#beginSearch(now);
    return this.#candidateBytes === 0 ? undefined : this.#candidateBytes;
  }

  onProbeSent(now: number, bytes: number): void {
    this.#outstandingBytes = bytes;
    this.#outstandingSentAt = now;
    this.#isOutstandingStale = false;
  }

  onProbeAcknowledged(now: number, bytes: number): void {
    this.#probeTimeouts = 0;
    if (this.#outstandingBytes === 0 || bytes !== this.#outstandingBytes) return;
    this.#outstandingBytes = 0;
    // spec mtu 3.3: not of another path, and not what the system or a new limit forbids by now
    if (this.#isOutstandingStale || bytes !== this.#candidateBytes) return;
    this.#base = 'whole';
    this.#datagramBytes = bytes;
    this.#fullSentAt = this.#outstandingSentAt;
    this.#refuteBursts(bytes, this.#outstandingSentAt);
    while (this.#tooLarge.length > 1 && this.#smallestTooLarge() <= bytes) this.#tooLarge.pop();
    this.#next(now);
  }

  onProbeLost(now: number): void {
    const bytes = this.#outstandingBytes;
    this.#outstandingBytes = 0;
    if (bytes === 0 || this.#isOutstandingStale || bytes !== this.#candidateBytes) return;
    this.#losses++;
    // spec mtu 3.2
    if (this.#losses < MAX_PROBES) return;
    if (bytes === this.#baseBytes) this.#base = 'fragmented';
    else if (bytes === this.#smallestTooLarge()) this.#confirmedBytes = bytes;
    else this.#tooLarge.push(bytes);
    this.#next(now);
  }

  /** An ordinary packet, declared lost. @returns true when `datagramBytes` fell because of it */
  onPacketLost(now: number, bytes: number, sentAt: number): boolean {
    if (bytes <= this.#baseBytes || bytes > this.#datagramBytes || sentAt <= this.#fullSentAt) return false;
    const last = this.#bursts.at(-1);
    if (last !== undefined && sentAt <= last.declaredAt) {
      last.newestSentAt = Math.max(last.newestSentAt, sentAt);
      last.largestBytes = Math.max(last.largestBytes, bytes);
      return false;
    }
    this.#bursts.push({ declaredAt: now, newestSentAt: sentAt, largestBytes: bytes });
    // spec mtu 4.1: a path that became smaller
    if (this.#bursts.length < BLACK_HOLE_BURSTS) return false;
    this.#suspectBytes = this.#datagramBytes;
    this.#fall(now + COOL_OFF_MS);
    return true;
  }

  /** An ordinary packet, of any size. */
  onPacketAcknowledged(bytes: number, sentAt: number): void {
    this.#probeTimeouts = 0;
    if (bytes >= this.#datagramBytes && sentAt > this.#fullSentAt) this.#fullSentAt = sentAt;
    if (this.#bursts.length > 0) this.#refuteBursts(bytes, sentAt);
  }

  /** Another path or a new peer limit: begin again from the base.
   *  @param maxBytes  the peer's limit, any number; what `MtuLimits` say holds too. Without it: as before */
  restart(now: number, maxBytes = this.#maxBytes): void {
    this.#maxBytes = Math.max(this.#baseBytes, roundDown(Math.min(maxBytes, this.#ownMaxBytes)));
    this.#suspectBytes = 0;
    // spec mtu 5
    this.#fall(now);
    this.#beginSearch(now);
  }

  /** The system refused a datagram of so many bytes as too large: EMSGSIZE, and no other error.
   *  @returns true when `datagramBytes` fell */
  onTooLarge(now: number, bytes: number): boolean {
    if (bytes <= this.#baseBytes && this.#candidateBytes === this.#baseBytes) {
      this.#base = 'fragmented';
      this.#next(now);
      return false;
    }
    // spec mtu 1.2: the base needs no probe, whatever the system says
    const refused = Math.max(roundDown(bytes + MTU_STEP_BYTES - 1), this.#baseBytes + MTU_STEP_BYTES);
    if (refused >= this.#refusedBytes) return false;
    this.#refusedBytes = refused;
    if (this.#datagramBytes < refused) {
      if (this.#candidateBytes >= refused) this.#next(now);
      return false;
    }
    // spec mtu 4.4
    this.#fall(now);
    this.#beginSearch(now, refused);
    return true;
  }

  /** A probe timeout of the connection expired with ordinary packets above the base outstanding. What is acknowledged
   *  between two of them is seen here. @returns true when `datagramBytes` fell */
  onProbeTimeout(now: number): boolean {
    if (this.#datagramBytes === this.#baseBytes) return false;
    this.#probeTimeouts++;
    // spec mtu 4.2: all packets are large, and none arrives
    if (this.#probeTimeouts < BLACK_HOLE_PROBE_TIMEOUTS) return false;
    this.#suspectBytes = 0;
    this.#fall(now + COOL_OFF_MS);
    return true;
  }

  /** When the next search begins, while none runs. It is in force until `probeBytes` is asked at or after it. */
  pollTimeout(): Deadline | undefined {
    if (this.#searchAt === Number.POSITIVE_INFINITY) return undefined;
    return { at: this.#searchAt, reason: 'mtu search' };
  }

  #refuteBursts(bytes: number, sentAt: number): void {
    this.#bursts = this.#bursts.filter((burst) => bytes < burst.largestBytes || sentAt < burst.newestSentAt);
  }

  #smallestTooLarge(): number {
    return this.#tooLarge.at(-1) as number;
  }

  /** @param refusedBytes  what the system is known to refuse still */
  #beginSearch(now: number, refusedBytes = Number.POSITIVE_INFINITY): void {
    this.#tooLarge = [this.#maxBytes + MTU_STEP_BYTES];
    this.#refusedBytes = refusedBytes;
    this.#confirmedBytes = 0;
    this.#base = this.#datagramBytes > this.#baseBytes ? 'whole' : 'unknown';
    // spec mtu 4.3
    if (this.#suspectBytes > this.#datagramBytes && this.#suspectBytes <= this.#maxBytes) {
      this.#tooLarge.push(this.#suspectBytes);
    }
    this.#suspectBytes = 0;
    this.#next(now);
  }

  /** Sets the next candidate, or the end of the search. */
  #next(now: number): void {
    this.#losses = 0;
    this.#searchAt = Number.POSITIVE_INFINITY;
    this.#candidateBytes = this.#chooseCandidate();
    // spec mtu 3.5
    if (this.#candidateBytes === 0 && this.#datagramBytes < this.#maxBytes) this.#searchAt = now + RAISE_MS;
  }

  /** @returns 0 when there is nothing left to ask */
  #chooseCandidate(): number {
    const low = this.#datagramBytes;
    const tooLarge = this.#smallestTooLarge();
    const high = Math.min(tooLarge, this.#refusedBytes);
    if (high - low > MTU_STEP_BYTES) {
      // spec mtu 3.1
      if (high > this.#maxBytes) return this.#maxBytes;
      return LIKELY_BYTES.find((bytes) => low < bytes && bytes < high) ?? low + roundDown((high - low) / 2);
    }
    const mayBeChance = tooLarge < this.#refusedBytes && tooLarge <= this.#maxBytes;
    // spec mtu 3.4
    if (mayBeChance && tooLarge !== this.#confirmedBytes) return tooLarge;
    // spec mtu 3.6
    return this.#base === 'unknown' && low < this.#maxBytes ? low : 0;
  }

  /** Down to the base, with no search before `searchAt`. */
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
