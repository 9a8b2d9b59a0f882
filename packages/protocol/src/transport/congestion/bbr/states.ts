/** BBR's states and their gains (draft-ietf-ccwg-bbr §2.4). */

export type State = 'startup' | 'drain' | 'down' | 'cruise' | 'refill' | 'up' | 'probe-rtt';

/** What each state multiplies (§5.6): `pacing` times the measured bandwidth is the rate at which we send, and `window`
 *  times bandwidth × round trip may be in flight. */
export const GAINS: Readonly<Record<State, { readonly pacing: number; readonly window: number }>> = {
  startup: { pacing: 2.77, window: 2 },
  drain: { pacing: 0.5, window: 2 },
  down: { pacing: 0.9, window: 2 },
  cruise: { pacing: 1, window: 2 },
  refill: { pacing: 1, window: 2 },
  up: { pacing: 1.25, window: 2.25 },
  'probe-rtt': { pacing: 1, window: 0.5 },
};

/** Whether a state is one of the four of the cycle that probes for bandwidth (ProbeBW). */
export function isProbingCycle(state: State): boolean {
  return state === 'down' || state === 'cruise' || state === 'refill' || state === 'up';
}
