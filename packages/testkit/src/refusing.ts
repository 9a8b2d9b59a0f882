/** Systems that refuse large datagrams, and tell their processes (spec mtu 4.4). */
import type { ProcessModel } from './process-model.js';
import type { Scenario } from './scenario.js';
import type { NodeName, World, WorldOptions } from './simulation/world.js';

/** The part of a world's options that the refusals of a scenario decide. */
export function refusing(
  { refusals = [] }: Scenario,
  world: () => World,
  processOf: (node: NodeName) => ProcessModel,
): Pick<WorldOptions, 'refuses' | 'onTooLarge'> {
  if (refusals.length === 0) return {};
  return {
    refuses: (node, bytes) =>
      refusals.some((one) => one.node === node && world().now >= one.from && bytes > one.aboveBytes),
    onTooLarge: (node, to, bytes) => {
      const process = processOf(node);
      if (!process.isAlive) return;
      process.endpoint.handleTooLarge(world().now, to, bytes);
      world().wake(node);
    },
  };
}
