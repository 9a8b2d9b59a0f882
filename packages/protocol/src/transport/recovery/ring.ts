/** Columns of numbers behind one growing index: slot `n & mask` of each column belongs to number `n`, from `first` to `next - 1`.
 *
 *  All columns of a ring lie in one block of memory, which is replaced when it becomes too small or far too large. */

export type Column =
  | Float64Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>;

/** What a column is before its ring has any memory. */
export const NO_FLOATS = new Float64Array(0);
export const NO_WORDS = new Uint32Array(0);
export const NO_SHORTS = new Uint16Array(0);
export const NO_BYTES = new Uint8Array(0);

/** A ring starts with so many slots, and returns to them when it is trimmed. */
export const MIN_SLOTS = 32;
/** A busy connection's ring shrinks no further: its next burst would only make it grow again. */
const MIN_BUSY_SLOTS = 128;
const SHRINK_FACTOR = 8;

/** How many slots a ring with `slots` should have for `count` numbers. It doubles when it is full, and shrinks when it is almost empty;
 *  the two are far apart, so that a count that swings does not move it each time. */
export function slotsFor(count: number, slots: number): number {
  if (count > slots) return Math.max(MIN_SLOTS, 2 * slots);
  const fewer = slots / SHRINK_FACTOR;
  return fewer >= MIN_BUSY_SLOTS && count <= fewer / SHRINK_FACTOR ? slotsFor(count, fewer) : slots;
}

/** The same for a ring that nobody is going to use soon. */
export function trimmedSlotsFor(count: number, slots: number): number {
  return count <= MIN_SLOTS ? Math.min(slots, MIN_SLOTS) : slots;
}

/** The same columns with `slots` slots each, in one new block. The widest come first, so that each is aligned. */
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
