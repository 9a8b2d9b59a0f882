/** Collects, once, the garbage that a start has left. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { areFlagsKnown, thisRuntime } from './v8-flags.js';

/** V8's own collector, as a program may call it. It takes options since Node 22. */
type Collect = (options?: {
  readonly type: 'major';
  readonly execution: 'sync';
  readonly flavor: 'last-resort';
}) => void;

/** Call it when a relay is ready, before `prepareForTraffic`, and not again: the process stands still for about 20 ms.
 *
 *  A process that allocates little after its start would keep that garbage for good. An ordinary collection frees it too,
 *  but keeps the pages. That of the last resort gives them back and shrinks the young generation, which is
 *  4 to 6 MB of an idle relay (docs/adr/0028-idle-peers.md). Node 20 has no such option, and there nothing happens. */
export function collectGarbageOfStart(runtime = thisRuntime()): void {
  if (runtime.major < 22 || !areFlagsKnown(runtime)) return;
  exposedCollector()?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}

/** V8 puts its collector into a new context if the flag is set when the context is made. */
function exposedCollector(): Collect | undefined {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('globalThis.gc');
  setFlagsFromString('--no-expose-gc');
  return typeof collect === 'function' ? (collect as Collect) : undefined;
}
