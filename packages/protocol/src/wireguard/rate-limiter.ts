import {
  MAX_RATE_LIMITED_SOURCES,
  RATE_LIMIT_BURST,
  RATE_LIMIT_IDLE_MS,
  RATE_LIMIT_PER_SECOND,
} from './constants.js';

const COST_MS = 1000 / RATE_LIMIT_PER_SECOND;
const FULL_MS = RATE_LIMIT_BURST * COST_MS;

/** The token bucket of one source. */
interface Bucket {
  /** Credit in milliseconds of waiting: it grows as time passes, up to FULL_MS, and a handshake message costs
   *  COST_MS. */
  credit: number;
  usedAt: number;
}

/** Limits the handshake messages of each source address while we are under load (spec handshake 6.3).
 *
 *  A cookie proves that a sender can receive at its address, but not that it means well. So each source has a token
 *  bucket, and a message whose source has no token is dropped. WireGuard has one limiter, and asks it only about
 *  messages with a valid mac2; a forged source address therefore cannot use up the tokens of its real owner.
 *
 *  The limiter remembers a limited number of sources, and forgets one that has been idle for a second. */
export class RateLimiter {
  /** By source, in the order of last use, so that idle ones are at the front. */
  readonly #buckets = new Map<string, Bucket>();

  /** How many sources are remembered. */
  get sources(): number {
    return this.#buckets.size;
  }

  /** Takes one token of the source that the address belongs to.
   *  @param address an IP literal
   *  @returns false if the source has none, or if it is new and too many sources are remembered already */
  allow(now: number, address: string): boolean {
    this.#forgetIdle(now);
    const source = sourceOf(address);
    const bucket = this.#buckets.get(source);
    if (bucket === undefined) {
      if (this.#buckets.size >= MAX_RATE_LIMITED_SOURCES) return false;
      this.#buckets.set(source, { credit: FULL_MS - COST_MS, usedAt: now });
      return true;
    }
    bucket.credit = Math.min(FULL_MS, bucket.credit + (now - bucket.usedAt));
    bucket.usedAt = now;
    this.#buckets.delete(source);
    this.#buckets.set(source, bucket);
    if (bucket.credit < COST_MS) return false;
    bucket.credit -= COST_MS;
    return true;
  }

  #forgetIdle(now: number): void {
    for (const [source, bucket] of this.#buckets) {
      if (now - bucket.usedAt < RATE_LIMIT_IDLE_MS) return;
      this.#buckets.delete(source);
    }
  }
}

/** Returns the source that an address belongs to, as text: an IPv4 address is its own source. For IPv6 it is the /64,
 *  because a host can usually use all addresses of one.
 *  @param address an IP literal in any notation, without brackets or zone */
export function sourceOf(address: string): string {
  if (!address.includes(':')) return address;
  const [before = '', after] = address.toLowerCase().split('::');
  const head = before === '' ? [] : before.split(':');
  if (after !== undefined) {
    const tail = after === '' ? [] : after.split(':');
    // An IPv4 literal at the end takes the place of two groups.
    const tailGroups = tail.length + (after.includes('.') ? 1 : 0);
    while (head.length + tailGroups < 8) head.push('0');
    head.push(...tail);
  }
  return `${head
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`;
}
