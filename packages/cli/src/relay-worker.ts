/** The entry of a relay's worker process, which bin/underpass.js loads instead of the command line. */
import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net';
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

/** How much is read from the pipe at once. */
const READ_BYTES = 65_536;

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

/** Keys come through the pipe. Node would read it into buffers that it frees without wiping them, so it gets one here, which
 *  the listener of `data` wipes. */
function pipeToMain(): Socket {
  const buffer = new Uint8Array(READ_BYTES);
  const callback = (length: number): boolean => pipe.emit('data', Buffer.from(buffer.buffer, 0, length));
  const options: SocketConstructorOpts & { readonly onread: OnReadOpts } = {
    fd: WORKER_PIPE_FD,
    readable: true,
    writable: true,
    onread: { buffer, callback },
  };
  const pipe = openOrEnd(options);
  return pipe;
}

/** Somebody may have started this by hand. */
function openOrEnd(options: SocketConstructorOpts): Socket {
  try {
    return new Socket(options);
  } catch {
    printErrorLine('underpass: relay-worker is a part of underpass relay, and not a command');
    process.exit(2);
  }
}
