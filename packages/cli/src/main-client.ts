/** The entry point of `underpass client`, which bin/underpass.js loads in place of main.ts: with one command, the bundle is few files
 *  and has nothing that only other commands need (docs/adr/0011-bundle.md). */
import { clientCommand } from './commands/client-command.js';
import { runMain } from './run-main.js';

await runMain([clientCommand()]);
