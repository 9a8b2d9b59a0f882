import { describe, expect, it, onTestFinished } from 'vitest';
import { ReportingProcess } from '../../src/demo/reporting-process.js';

const LIMIT_MS = 20_000;

/** Starts a process that runs a one-line script. */
function run(script: string): ReportingProcess {
  const started = new ReportingProcess('the child', ['-e', script]);
  onTestFinished(() => started.stop());
  return started;
}

const say = (event: string) => `process.stderr.write(JSON.stringify({event:'${event}',port:7})+'\\n');`;
const STAY = 'setInterval(()=>{},1000);';

describe('a reporting process', () => {
  it('resolves with a future event, and with one that was already reported', async () => {
    const child = run(say('listening') + STAY);
    expect(await child.event('listening', LIMIT_MS)).toMatchObject({ port: 7 });
    expect(await child.event('listening', LIMIT_MS)).toMatchObject({ port: 7 });
  });

  it('that exits early causes an error with its name, its code and its last line', async () => {
    const child = run("console.error('underpass: relay.toml is bad'); process.exit(3)");
    await expect(child.event('listening', LIMIT_MS)).rejects.toThrow(
      "the child ended with code 3 before 'listening'; its last line: underpass: relay.toml is bad",
    );
    await expect(child.event('listening', LIMIT_MS)).rejects.toThrow('ended with code 3');
  });

  it('that stays silent causes an error after the timeout', async () => {
    await expect(run(STAY).event('listening', 50)).rejects.toThrow(
      "did not report 'listening' within 0.05 s",
    );
  });

  it('is killed when it ignores SIGTERM', async () => {
    const child = run(`process.on('SIGTERM',()=>{});${say('ready')}${STAY}`);
    await child.event('ready', LIMIT_MS);
    await child.stop();
    await expect(child.event('more', LIMIT_MS)).rejects.toThrow('ended with SIGKILL');
  });

  it('can be stopped twice', async () => {
    const child = run(STAY);
    await child.stop();
    await child.stop();
  });
});
