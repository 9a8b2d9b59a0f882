#!/usr/bin/env node
// SIGUSR1 would open Node's inspector on loopback, to every local user: whoever connects to it runs what they like.
process.on('SIGUSR1', () => {});
// To a relay SIGHUP means 'read the config again', which it is about to do.
if (process.argv[2] === 'relay') process.on('SIGHUP', () => {});

if (process.argv[2] === 'relay' || process.argv[2] === 'client') prepareForTraffic();

// Stack traces then name the lines of the sources, not of the bundle (docs/adr/0011-bundle.md).
if (process.env.UNDERPASS_DEBUG) process.setSourceMapsEnabled(true);

import('../bundle/main.js');

function prepareForTraffic() {
  // Node resolves names on a pool of threads, by default of four, of which slow names may hold two: one peer's would stop
  // everybody's. Twice MAX_LOOKUPS (spec forwarding 2.5) leaves a thread for each. It has to be said before the pool is
  // first used, and loading an ES module uses it: so this file is none.
  process.env.UV_THREADPOOL_SIZE ??= '64';

  // V8 compiles well what has run often. Keystrokes come a few times a second, and in its first minutes a tunnel would
  // carry each of them by code that runs several times slower: so it is to compile sooner (docs/adr/0008). Only where V8
  // is known to take these flags.
  const nodeMajor = Number.parseInt(process.versions.node, 10);
  const compileSooner =
    nodeMajor === 20
      ? ['--interrupt-budget=5000']
      : nodeMajor >= 22 && nodeMajor <= 26
        ? ['--invocation-count-for-maglev=100', '--minimum-invocations-after-ic-update=100']
        : [];
  for (const flag of compileSooner) require('node:v8').setFlagsFromString(flag);
}
