/** Draws the scenario of a seed with one kind of trouble. */
import { drawScenario } from './draw-scenario.js';
import type { Scenario } from './scenario.js';
import { SeededRandom } from './simulation/seeded-random.js';
import { type ScenarioName, TROUBLES } from './troubles.js';

/** The scenario that a seed stands for with this code. Another version may draw another one. */
export function drawNamed(seed: number, name: ScenarioName = 'any'): Scenario {
  const random = new SeededRandom(seed);
  return TROUBLES[name](drawScenario(random.derive('scenario')), random.derive('trouble'));
}
