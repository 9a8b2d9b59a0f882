/** Flags of V8 for a process that carries traffic. They belong to V8 and change between versions, so they are set only for
 *  versions of Node that are known to accept them and to read them each time. */
import { setFlagsFromString } from 'node:v8';

const [OLDEST_NODE, NEWEST_NODE] = [20, 26];

/** Call it once the process is ready to carry traffic: what runs only while it starts is not worth compiling.
 *
 *  V8 optimises code that has run often. Keystrokes arrive only a few times a second, so for its first minutes a tunnel
 *  would carry them with code that is several times slower. With these flags V8 optimises sooner
 *  (docs/adr/0008-compile-sooner.md).
 *
 *  V8 counts the buffers of sockets as part of its heap, and lets a small heap grow only by a few megabytes before it
 *  collects garbage. A bulk transfer fills such buffers with hundreds of megabytes a second, so V8 would spend a third of
 *  the busy time on collecting. With the last flag it waits until the heap is four times as large as after the last
 *  collection (docs/adr/0035-heap-growth.md). */
export function prepareForTraffic(): void {
  const major = Number.parseInt(process.versions.node, 10);
  if (major < OLDEST_NODE || major > NEWEST_NODE) return;
  for (const flag of [...compileSooner(major), '--heap-growing-percent=300']) setFlagsFromString(flag);
}

/** Node 21 has neither flag's effect. */
function compileSooner(major: number): readonly string[] {
  if (major === 20) return ['--interrupt-budget=5000'];
  if (major < 22) return [];
  return ['--invocation-count-for-maglev=100', '--minimum-invocations-after-ic-update=100'];
}
