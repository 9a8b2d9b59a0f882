// The order in which tunnels are measured.

/** Every tunnel once in each run. Every other run goes backwards, and every second one starts further on, so that no
 *  tunnel always comes first or always follows the same one.
 *
 *  @returns for each run, the tunnels in their order */
export function interleave(tunnels, runs) {
  return Array.from({ length: runs }, (_, run) => {
    const first = (run >> 1) % Math.max(tunnels.length, 1);
    const rotated = [...tunnels.slice(first), ...tunnels.slice(0, first)];
    return run % 2 === 0 ? rotated : rotated.reverse();
  });
}
