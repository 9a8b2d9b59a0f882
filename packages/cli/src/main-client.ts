/** The entry point of `underpass client`: see main-relay.ts. */
import { runClient } from './commands/client.js';
import { clientCommand } from './commands/client-command.js';
import { runMain } from './run-main.js';

void runMain([clientCommand(runClient)]);
