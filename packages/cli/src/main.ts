/** The program's entry point. */
import { everyCommand } from './commands/every-command.js';
import { runMain } from './run-main.js';

await runMain(everyCommand());
