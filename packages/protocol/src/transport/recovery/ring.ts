/** Rings of typed arrays that are indexed by a growing number, one slot each, and grow by doubling. */

export type Column =
  | Float64Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>;

/** A ring of `capacity` slots with what stands in `old` under the numbers `first` to `next - 1`. */
export function grownRing<T extends Column>(
  old: T,
  oldMask: number,
  capacity: number,
  first: number,
  next: number,
): T {
  const larger = new (old.constructor as new (length: number) => T)(capacity);
  const mask = capacity - 1;
  for (let n = first; n < next; n++) larger[n & mask] = old[n & oldMask] as number;
  return larger;
}
