// Medians, spreads and ratios of repeated measurements.

/** @param sorted  ascending, not empty
 *  @param percent  0 to 100
 *  @returns the smallest value that at least `percent` of all values do not exceed */
export function percentile(sorted, percent) {
  const rank = Math.ceil((sorted.length * percent) / 100);
  return sorted[Math.min(Math.max(rank, 1), sorted.length) - 1];
}

/** @returns undefined if there are no values */
export function summaryOf(values) {
  if (values.length === 0) return undefined;
  const sorted = values.toSorted((a, b) => a - b);
  return { min: sorted[0], median: medianOf(sorted), max: sorted.at(-1), runs: values.length };
}

/** Compares run by run: what disturbs the machine in one run disturbs both, and largely cancels out.
 *
 *  @param values  of each run; undefined where the measurement failed
 *  @returns the summary of `values[run] / others[run]`, or undefined if no run has both */
export function ratioOf(values, others) {
  const ratios = [];
  for (const [run, value] of values.entries()) {
    if (value === undefined || others[run] === undefined || others[run] === 0) continue;
    ratios.push(value / others[run]);
  }
  return summaryOf(ratios);
}

function medianOf(sorted) {
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
