#!/usr/bin/env node
// Ignore SIGUSR1: Node would open its inspector on loopback, and any local user could run code through it.
process.on('SIGUSR1', () => {});
// SIGHUP makes a relay reload its config. Ignore it until the relay runs: it is about to read the config anyway.
if (process.argv[2] === 'relay') process.on('SIGHUP', () => {});

/** What starts often, or on small machines, has a bundle of its own (docs/adr/0011-bundle.md). A relay divides its peers among
 *  processes of the third kind if it is told to (docs/adr/0033-workers.md). */
const ENTRIES = new Map([
  ['relay', 'main-relay.cjs'],
  ['client', 'main-client.cjs'],
  ['relay-worker', 'relay-worker.js'],
]);
const entry = ENTRIES.get(process.argv[2]);

// Node resolves names on a pool of four threads by default, and slow names may occupy two of them: one peer's names would
// block everybody's. With twice MAX_LOOKUPS (spec forwarding 2.5) each lookup gets a thread. The size must be set before
// the pool is first used. Loading an ES module uses it, so this file is CommonJS.
if (entry !== undefined) process.env.UV_THREADPOOL_SIZE ??= '64';

// Make stack traces refer to lines of the sources and not of the bundle (docs/adr/0011-bundle.md).
if (process.env.UNDERPASS_DEBUG) process.setSourceMapsEnabled(true);

const file = `../bundle/${entry ?? 'main.js'}`;
if (file.endsWith('.cjs')) require(file);
else import(file);
