/** A terminal shows that something is being waited for. */
import { describe, expect, it } from 'vitest';
import { installed } from './installed.js';
import { PROGRAM, RunningProgram } from './running-program.js';
import { clientArguments, setUpRelay, startRelay } from './tunnel.js';

describe.skipIf(installed('script') === undefined)('a client on a terminal', () => {
  it('counts the seconds until the relay answers, in a line that then goes', async () => {
    const setup = setUpRelay([]);
    const { port, program } = await startRelay(setup);
    program.child.kill('SIGTERM');
    await program.ended();
    const command = [process.execPath, PROGRAM, ...clientArguments(setup, port, ['0:localhost:80'])];
    // `exec`, so that no shell is left between them: some shells answer an interrupt themselves, with exit code 130.
    const quoted = `exec ${command.map((word) => `'${word}'`).join(' ')}`;
    const terminal = new RunningProgram('script', ['-qec', quoted, '/dev/null'], { TERM: 'xterm' });
    await terminal.until(() => /waiting for the relay \(\d+(?:\.\d)? s\)/.test(terminal.stdout), 'progress');
    await startRelay(setup, port);
    await terminal.until(() => terminal.stdout.includes('connected to the relay'), 'contact');
    const [, afterwards = ''] = terminal.stdout.split('connected to the relay');
    expect(afterwards).not.toContain('waiting for the relay');
    expect(terminal.stdout).toContain('\r\u001b[K');
    terminal.child.stdin?.write('\u0003');
    expect(await terminal.ended()).toMatchObject({ code: 0 });
  });
});
