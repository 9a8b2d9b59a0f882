/** How a relay's worker processes share one UDP port (spec session 3.3). */
import { assert } from '../assert.js';
import type { CryptoSuite } from '../crypto/suite.js';
import { readUint32 } from '../little-endian.js';
import { MAX_SHARDS } from './constants.js';

/** The part of the peers that one process serves. The key of a peer says which part it belongs to, and every index that
 *  we draw for it says so too, so any process can tell for which one a datagram is meant. */
export interface Shard {
  /** From 0 to count - 1. */
  readonly index: number;
  /** At most MAX_SHARDS. */
  readonly count: number;
}

/** What a process has that serves all peers. */
export const WHOLE: Shard = { index: 0, count: 1 };

/** Which shard serves the peer with this static public key. */
export function shardOfKey(suite: Pick<CryptoSuite, 'hash'>, publicKey: Uint8Array, count: number): number {
  assert(count >= 1 && count <= MAX_SHARDS, 'there are 1 to MAX_SHARDS shards');
  return count === 1 ? 0 : readUint32(suite.hash(publicKey), 0) % count;
}

/** Which shard drew this index: its lowest byte modulo the number of shards. One byte is enough, and a filter in the
 *  kernel can read it without knowing the order of bytes. */
export function shardOfIndex(index: number, count: number): number {
  return (index & 0xff) % count;
}

/** Changes a random index to one of this shard. All its other bits stay random. */
export function indexOfShard(random: number, { index, count }: Shard): number {
  const low = random & 0xff;
  const moved = low - (low % count) + index;
  return ((random & 0xffff_ff00) >>> 0) + (moved > 0xff ? moved - count : moved);
}
