/** Handshakes per source address while under load: a token bucket each (spec handshake 6.3). */
import {
  MAX_RATE_LIMITED_SOURCES,
  RATE_LIMIT_BURST,
  RATE_LIMIT_IDLE_MS,
  RATE_LIMIT_PER_SECOND,
} from './constants.js';

const COST_MS = 1000 / RATE_LIMIT_PER_SECOND;
const FULL_MS = RATE_LIMIT_BURST * COST_MS;

interface Bucket {
  /** Credit in milliseconds of waiting; one handshake costs COST_MS. */
  credit: number;
  usedAt: number;
}

export class RateLimiter {
  /** In the order of last use, so that idle ones are found at the front. */
  readonly #buckets = new Map<string, Bucket>();

  get sources(): number {
    return this.#buckets.size;
  }

  /** Takes one token of the source.
   *  @param address an IP literal; IPv6 counts by /64, because a host has all of one
   *  @returns false when it has none, or when too many sources are remembered already */
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

/** The address itself for IPv4, the first 64 bits for IPv6. */
export function sourceOf(address: string): string {
  if (!address.includes(':')) return address;
  const [before = '', after] = address.toLowerCase().split('::');
  const head = before === '' ? [] : before.split(':');
  if (after !== undefined) {
    const tail = after === '' ? [] : after.split(':');
    // An embedded IPv4 literal at the end stands for two groups.
    const tailGroups = tail.length + (after.includes('.') ? 1 : 0);
    while (head.length + tailGroups < 8) head.push('0');
    head.push(...tail);
  }
  return `${head
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`;
}
