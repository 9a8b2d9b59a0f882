// Undoes what a run has made (processes, namespaces, directories) on every way out: when it is done, when it fails, and
// when somebody interrupts it.

import { constants } from 'node:os';

const actions = new Set();

/** Calls `undo` when this process ends, however it ends. What was made last is undone first.
 *
 *  @param undo  must not wait for anything, because a process that ends cannot
 *  @returns calls it now instead */
export function atEnd(undo) {
  const action = { undo };
  actions.add(action);
  return () => {
    if (actions.delete(action)) undo();
  };
}

process.on('exit', () => {
  for (const action of [...actions].reverse()) {
    try {
      action.undo();
    } catch (error) {
      process.stderr.write(`bench: could not clean up: ${error.message}\n`);
    }
  }
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => process.exit(128 + constants.signals[signal]));
}
