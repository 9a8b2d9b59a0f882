/** The entry point of `underpass relay`, which bin/underpass.js loads in place of main.ts: with one command, the bundle is few files
 *  and has nothing that only other commands need (docs/adr/0011-bundle.md). */
import { relayCommand } from './commands/relay-command.js';
import { runMain } from './run-main.js';

await runMain([relayCommand()]);
