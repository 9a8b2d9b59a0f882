/** Flags of V8 for what a process does in turn: it starts, and then it carries traffic. They belong to V8 and change between
 *  versions, so they are set only for versions of Node that are known to accept them and to read them each time. */
import { setFlagsFromString } from 'node:v8';

/** The stages of a process. */
export type Stage = 'starting' | 'traffic';

const [OLDEST_NODE, NEWEST_NODE] = [20, 26];

/** Options of Node with which somebody has decided about V8's compilers. V8 crashes if they are switched on in a process that
 *  was started without them (`--jitless`). */
const DECIDES_ABOUT_COMPILERS = /--(no[-_]?)?(jitless|lite[-_]mode|opt\b|turbofan|maglev|max[-_]lazy)/;

/** The facts about this process that decide which flags are set. */
export interface Runtime {
  /** The version of Node. */
  readonly major: number;
  /** Those that may be switched off and on again. */
  readonly compilers: readonly string[];
}

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
  for (const flag of flagsFor(stage, thisRuntime())) setFlagsFromString(flag);
}

/** @param options  with which Node was started */
export function thisRuntime(
  options: readonly string[] = [...process.execArgv, process.env.NODE_OPTIONS ?? ''],
): Runtime {
  const hasMaglev = (process.config.variables as { v8_enable_maglev?: unknown }).v8_enable_maglev === 1;
  const isDecided = options.some((option) => DECIDES_ABOUT_COMPILERS.test(option));
  return {
    major: Number.parseInt(process.versions.node, 10),
    compilers: isDecided ? [] : hasMaglev ? ['turbofan', 'maglev'] : ['turbofan'],
  };
}

/** Whether this version of Node is one in which the flags of this program have been tried. */
export function areFlagsKnown({ major }: Pick<Runtime, 'major'>): boolean {
  return major >= OLDEST_NODE && major <= NEWEST_NODE;
}

export function flagsFor(stage: Stage, { major, compilers }: Runtime): readonly string[] {
  if (!areFlagsKnown({ major })) return [];
  return stage === 'starting'
    ? ['--semi-space-growth-factor=1', ...compilers.map((compiler) => `--no-${compiler}`)]
    : [
        '--semi-space-growth-factor=2', // V8's own default
        '--heap-growing-percent=300',
        ...compilers.map((compiler) => `--${compiler}`),
        ...compileSooner(major),
      ];
}

/** Node 21 has neither flag's effect. */
function compileSooner(major: number): readonly string[] {
  if (major === 20) return ['--interrupt-budget=5000'];
  if (major < 22) return [];
  return [
    '--invocation-count-for-maglev=100',
    '--minimum-invocations-after-ic-update=100',
    '--invocation-count-for-turbofan=1500',
  ];
}
