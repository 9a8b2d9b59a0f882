/** Flags of V8 for what a process does in turn: it starts, and then it carries traffic. They belong to V8 and change between
 *  versions, so they are set only for versions of Node that are known to accept them and to read them each time. */
import { setFlagsFromString } from 'node:v8';

/** What a process is about to do. */
export type Stage = 'starting' | 'traffic';

const [OLDEST_NODE, NEWEST_NODE] = [20, 26];

/** Call it when a relay starts, and when it reads its config again. `prepareForTraffic` ends it.
 *
 *  With thousands of peers, a config keeps V8 busy for long enough that it would optimise what loads it. That code will not
 *  run again, and the compilers leave megabytes behind. Nor may V8 enlarge its young generation. It doubles it when much
 *  of what was in it has survived, all peers of a config survive, and V8 does not shrink it while the program is idle
 *  (docs/adr/0028-idle-peers.md). */
export function prepareToStart(): void {
  setFlags('starting');
}

/** Call it last, once the process is ready to carry traffic.
 *
 *  V8 optimises code that has run often. Keystrokes arrive only a few times a second, so for its first minutes a tunnel
 *  would carry them with code that is several times slower. With these flags V8 optimises sooner
 *  (docs/adr/0008-compile-sooner.md).
 *
 *  V8 counts the buffers of sockets as part of its heap, and lets a small heap grow only by a few megabytes before it
 *  collects garbage. A bulk transfer fills such buffers with hundreds of megabytes a second, so V8 would spend a third of
 *  the busy time on collecting. With `--heap-growing-percent` it waits until the heap is four times as large as after the
 *  last collection (docs/adr/0035-heap-growth.md). */
export function prepareForTraffic(): void {
  setFlags('traffic');
}

function setFlags(stage: Stage): void {
  for (const flag of flagsFor(stage, Number.parseInt(process.versions.node, 10))) setFlagsFromString(flag);
}

/** @param major  the version of Node */
export function flagsFor(stage: Stage, major: number): readonly string[] {
  if (major < OLDEST_NODE || major > NEWEST_NODE) return [];
  const optimizing = optimizingCompilers(major);
  return stage === 'starting'
    ? ['--semi-space-growth-factor=1', ...optimizing.map((compiler) => `--no-${compiler}`)]
    : [
        '--semi-space-growth-factor=2', // V8's own default
        '--heap-growing-percent=300',
        ...optimizing.map((compiler) => `--${compiler}`),
        ...compileSooner(major),
      ];
}

/** Those that are on by default. */
function optimizingCompilers(major: number): readonly string[] {
  return major < 24 ? ['turbofan'] : ['turbofan', 'maglev'];
}

/** Node 21 has neither flag's effect. */
function compileSooner(major: number): readonly string[] {
  if (major === 20) return ['--interrupt-budget=5000'];
  if (major < 22) return [];
  return ['--invocation-count-for-maglev=100', '--minimum-invocations-after-ic-update=100'];
}
