/** Seeds that once showed a bug: they are run for good. */
import type { ScenarioName } from './troubles.js';

export interface Regression {
  readonly seed: number;
  readonly scenario: ScenarioName;
  /** What was wrong. */
  readonly reason: string;
}

export const REGRESSIONS: readonly Regression[] = [
  { seed: 255, scenario: 'any', reason: 'timers spun while an unproven address permitted no datagram' },
  {
    seed: 24,
    scenario: 'reordering',
    reason: 'a keepalive from a new address did not even permit a challenge',
  },
  {
    seed: 142,
    scenario: 'moves',
    reason: 'a move under the old keypair went unseen after the relay had drawn a new one',
  },
];
