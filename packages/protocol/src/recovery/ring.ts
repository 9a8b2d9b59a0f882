/** Rings of typed arrays that are indexed by packet number, one slot each, and grow by doubling. */

type Column = Float64Array | Uint16Array | Uint8Array;

/** Copies the packets `first` to `next - 1` from a ring to a larger one. @returns the larger one */
export function grownRing<T extends Column>(
  old: T,
  oldMask: number,
  larger: T,
  first: number,
  next: number,
): T {
  const mask = larger.length - 1;
  for (let n = first; n < next; n++) larger[n & mask] = old[n & oldMask] as number;
  return larger;
}
