#!/usr/bin/env node
// Ignore SIGUSR1: Node would open its inspector on loopback, and any local user could run code through it.
process.on('SIGUSR1', () => {});
// SIGHUP makes a relay reload its config. Ignore it until the relay runs: it is about to read the config anyway.
if (process.argv[2] === 'relay') process.on('SIGHUP', () => {});

// A relay divides its peers among processes of this kind if it is told to (docs/adr/0033-workers.md).
const isWorker = process.argv[2] === 'relay-worker';

if (isWorker || process.argv[2] === 'relay' || process.argv[2] === 'client') prepareForTraffic();

// Make stack traces refer to lines of the sources and not of the bundle (docs/adr/0011-bundle.md).
if (process.env.UNDERPASS_DEBUG) process.setSourceMapsEnabled(true);

import(isWorker ? '../bundle/relay-worker.js' : '../bundle/main.js');

function prepareForTraffic() {
  // Node resolves names on a pool of four threads by default, and slow names may occupy two of them: one peer's names
  // would block everybody's. With twice MAX_LOOKUPS (spec forwarding 2.5) each lookup gets a thread. The size must be
  // set before the pool is first used. Loading an ES module uses it, so this file is CommonJS.
  process.env.UV_THREADPOOL_SIZE ??= '64';

  // V8 optimises code that has run often. Keystrokes arrive only a few times a second, so for its first minutes a
  // tunnel would carry them with code that is several times slower. These flags make V8 optimise sooner
  // (docs/adr/0008). They are set only for versions that are known to accept them.
  //
  // V8 counts the buffers of sockets as part of its heap, and lets a small heap grow only by a few megabytes before it
  // collects garbage. A bulk transfer fills such buffers with hundreds of megabytes a second, so V8 would spend a third
  // of the busy time on collecting. With the last flag it waits until the heap is four times as large as after the last
  // collection (docs/adr/0035-heap-growth.md).
  const nodeMajor = Number.parseInt(process.versions.node, 10);
  const collectLater = nodeMajor >= 20 && nodeMajor <= 26 ? ['--heap-growing-percent=300'] : [];
  const compileSooner =
    nodeMajor === 20
      ? ['--interrupt-budget=5000']
      : nodeMajor >= 22 && nodeMajor <= 26
        ? ['--invocation-count-for-maglev=100', '--minimum-invocations-after-ic-update=100']
        : [];
  for (const flag of [...compileSooner, ...collectLater]) require('node:v8').setFlagsFromString(flag);
}
