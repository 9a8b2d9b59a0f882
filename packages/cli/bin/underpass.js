#!/usr/bin/env node
// Node resolves names on a pool of threads, by default of four, of which slow names may hold two: one peer's would stop
// everybody's. Twice MAX_LOOKUPS (spec forwarding 2.5) leaves a thread for each. It has to be said before the pool is first
// used, and loading an ES module uses it: so this file is none.
process.env.UV_THREADPOOL_SIZE ??= '32';
import('../dist/main.js');
