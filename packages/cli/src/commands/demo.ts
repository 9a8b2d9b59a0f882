/** `underpass demo`: shows the tunnel at work on this machine in a few seconds. */
import { Command } from 'commander';
import { CliError } from '../cli-error.js';
import type { DemoFlags } from '../demo/run-demo.js';
import { ExitCode } from '../exit-code.js';
import { untilStopSignal } from '../stop-signal.js';
import { requireOutput } from '../terminal.js';
import { captureOption, qlogOption } from './option-values.js';

export function demoCommand(): Command {
  return new Command('demo')
    .description(
      'Show the tunnel at work: a relay, a client and a download between them, on this machine only.',
    )
    .addOption(captureOption())
    .addOption(qlogOption())
    .addHelpText('after', '\nExample:\n  underpass demo')
    .action(async (flags: DemoFlags) => {
      const { runDemo } = await import('../demo/run-demo.js');
      await runDemo(flags, rejectWhenStopped());
      await requireOutput();
    });
}

async function rejectWhenStopped(): Promise<never> {
  // SIGHUP too: the relay of the demo takes it for 'reload', and would go on without its terminal.
  const signal = await untilStopSignal(['SIGINT', 'SIGTERM', 'SIGHUP']);
  throw new CliError(ExitCode.failure, `the demo was stopped by ${signal}`);
}
