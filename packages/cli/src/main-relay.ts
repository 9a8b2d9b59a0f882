/** The entry point of `underpass relay`, which bin/underpass.js loads in place of main.ts: one file with all that a relay needs to
 *  start, and nothing that only other commands need (docs/adr/0011-bundle.md). */
import { runRelay } from './commands/relay.js';
import { relayCommand } from './commands/relay-command.js';
import { runMain } from './run-main.js';

void runMain([relayCommand(runRelay)]);
