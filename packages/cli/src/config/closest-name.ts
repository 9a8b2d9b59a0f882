/** Finds the name that the user probably meant, for 'did you mean'. */

/** Fewer letters in common are not enough for a guess. */
const MIN_SHARED_LETTERS = 4;

/** @returns the candidate within a third of the word's length in edits, but at least one edit; otherwise the only
 *    candidate that is a prefix of the word or has it as a prefix; otherwise undefined */
export function closestName(word: string, candidates: readonly string[]): string | undefined {
  return nearestName(word, candidates) ?? extendedName(word.toLowerCase(), candidates);
}

/** Matches `private_key` to `private_key_file`, and `peers_allow` to `peers`. */
function extendedName(word: string, candidates: readonly string[]): string | undefined {
  if (word.length < MIN_SHARED_LETTERS) return undefined;
  const found = candidates.filter(
    (name) => name.startsWith(word) || (name.length >= MIN_SHARED_LETTERS && word.startsWith(name)),
  );
  return found.length === 1 ? found[0] : undefined;
}

function nearestName(word: string, candidates: readonly string[]): string | undefined {
  const limit = Math.max(1, Math.floor(word.length / 3));
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate, limit);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Counts insertions, deletions, substitutions and swaps of neighbours (optimal string alignment). A distance above
 *  `limit` may be returned as `limit + 1`. */
export function editDistance(a: string, b: string, limit = Number.POSITIVE_INFINITY): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(
        (previous[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (previous[j - 1] ?? 0) + (same ? 0 : 1),
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (beforePrevious[j - 2] ?? 0) + 1);
      }
      row.push(cost);
    }
    beforePrevious = previous;
    previous = row;
  }
  return previous[b.length] ?? 0;
}
