/** The entry of a relay's worker process, which bin/underpass.js loads instead of the command line. */
import { Socket } from 'node:net';
import { runWorker, WORKER_PIPE_FD } from '@underpass/relay';
import { collectGarbageOfStart } from './collect-garbage.js';
import { endWithInternalError } from './commands/internal-error.js';
import { controlSockets } from './control/control-directory.js';
import { printErrorLine, tolerateFailingOutput } from './terminal.js';
import { prepareForTraffic, prepareToStart } from './v8-flags.js';

tolerateFailingOutput();
for (const event of ['uncaughtException', 'unhandledRejection'] as const)
  process.on(event, endWithInternalError);
// A terminal or systemd sends these to all processes. The main process decides what follows.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});

prepareToStart();
runWorker({
  pipe: pipeToMain(),
  ownSockets: () => controlSockets(),
  onStarted: () => {
    collectGarbageOfStart();
    prepareForTraffic();
  },
  onFatal: endWithInternalError,
  onEnd: () => process.exit(),
});

/** Somebody may have started this by hand. */
function pipeToMain(): Socket {
  try {
    return new Socket({ fd: WORKER_PIPE_FD, readable: true, writable: true });
  } catch {
    printErrorLine('underpass: relay-worker is a part of underpass relay, and not a command');
    process.exit(2);
  }
}
