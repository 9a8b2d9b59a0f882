/** Columns of numbers that are indexed by one growing number. Together they form a ring: slot `n & mask` of each column
 *  belongs to number `n`, for all numbers from `first` up to `next - 1`. `mask` is the number of slots, a power of two,
 *  less one. PacketLog and SentFrames keep their rings with these functions.
 *
 *  All columns of a ring lie in one block of memory, which is replaced when it is too small or far too large. */

export type Column =
  | Float64Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>;

/** Columns of a ring that has no memory yet. */
export const NO_FLOATS = new Float64Array(0);
export const NO_WORDS = new Uint32Array(0);
export const NO_SHORTS = new Uint16Array(0);
export const NO_BYTES = new Uint8Array(0);

/** How many slots a ring has at first, and after it was trimmed. */
export const MIN_SLOTS = 16;
/** The ring of a busy connection never has fewer slots, because its next burst would only make it grow again. */
const MIN_BUSY_SLOTS = 128;
/** How many times smaller a ring becomes when it shrinks. */
const SHRINK_FACTOR = 8;

/** Returns how many slots a ring that has `slots` should have for `count` numbers. It doubles when it is full, and
 *  shrinks when it is almost empty. The two limits are far apart, so that a count that swings does not resize it each
 *  time. */
export function slotsFor(count: number, slots: number): number {
  if (count > slots) return Math.max(MIN_SLOTS, 2 * slots);
  const fewer = slots / SHRINK_FACTOR;
  return fewer >= MIN_BUSY_SLOTS && count <= fewer / SHRINK_FACTOR ? slotsFor(count, fewer) : slots;
}

/** The same for a ring that will not be used soon. */
export function trimmedSlotsFor(count: number, slots: number): number {
  return count <= MIN_SLOTS ? Math.min(slots, MIN_SLOTS) : slots;
}

/** Copies columns into a new block with `slots` slots.
 *  @param columns by name, those with the widest elements first, so that each column is aligned
 *  @param first the lowest number in the ring
 *  @param next one more than the highest number in the ring
 *  @returns the new columns by name */
export function resized<T extends Readonly<Record<string, Column>>>(
  columns: T,
  oldMask: number,
  slots: number,
  first: number,
  next: number,
): T {
  const all = Object.entries(columns);
  const bytesPerSlot = all.reduce((sum, [, column]) => sum + column.BYTES_PER_ELEMENT, 0);
  const block = new ArrayBuffer(slots * bytesPerSlot);
  const mask = slots - 1;
  let at = 0;
  const moved = all.map(([name, old]) => {
    const column = new (old.constructor as ColumnConstructor)(block, at, slots);
    at += column.byteLength;
    for (let n = first, run = 0; n < next; n += run) {
      const from = n & oldMask;
      run = Math.min(next - n, oldMask + 1 - from, slots - (n & mask));
      column.set(old.subarray(from, from + run), n & mask);
    }
    return [name, column];
  });
  return Object.fromEntries(moved) as T;
}

type ColumnConstructor = new (block: ArrayBuffer, byteOffset: number, length: number) => Column;
