/** Rings of typed arrays, and of objects, that are indexed by packet number, one slot each, and grow by doubling. */

export type Column = { [index: number]: unknown; readonly length: number };

/** Copies the packets `first` to `next - 1` from a ring to a larger one. @returns the larger one */
export function grownRing<T extends Column>(
  old: T,
  oldMask: number,
  larger: T,
  first: number,
  next: number,
): T {
  const mask = larger.length - 1;
  for (let n = first; n < next; n++) larger[n & mask] = old[n & oldMask] as T[number];
  return larger;
}
