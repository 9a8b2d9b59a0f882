import { describe, expect, it, onTestFinished } from 'vitest';
import { ReportingProcess } from '../../src/demo/reporting-process.js';
import { ExitCode } from '../../src/exit-code.js';

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
    await expect(child.event('listening', LIMIT_MS)).rejects.toMatchObject({
      exitCode: ExitCode.failure,
      message: expect.stringContaining('ended with code 3'),
    });
  });

  it('that stays silent causes an error after the timeout', async () => {
    await expect(run(STAY).event('listening', 50)).rejects.toMatchObject({
      exitCode: ExitCode.failure,
      message: "the child did not report 'listening' within 0.05 s",
    });
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

  it('that cannot be started says why', async () => {
    const { execPath } = process;
    process.execPath = '/nowhere/node';
    try {
      await expect(run('').event('listening', LIMIT_MS)).rejects.toThrow(
        /^the child could not be started: .*ENOENT.* before 'listening'$/,
      );
    } finally {
      process.execPath = execPath;
    }
  });

  it.each([
    ['an error that it reported', `console.error(JSON.stringify({level:'error',msg:'no port'}))`, 'no port'],
    ['no warning', `console.error(JSON.stringify({level:'warn',msg:'slow'}))`, undefined],
    ['an error without text', `console.error(JSON.stringify({level:'error',msg:5}))`, undefined],
    ['a line that is no event', 'console.error(null)', 'null'],
    ['a list', 'console.error("[1]")', '[1]'],
    ['a number', 'console.error(5)', '5'],
  ])('that ends has for its last line %s', async (_what, script, line) => {
    const child = run(`${script};process.exitCode=2`);
    const words = line === undefined ? '' : `; its last line: ${line}`;
    await expect(child.event('listening', LIMIT_MS)).rejects.toThrow(
      new RegExp(`^the child ended with code 2 before 'listening'${words.replace(/[[\]]/g, '\\$&')}$`),
    );
  });

  it('wakes only those that wait for that event', async () => {
    const child = run(`${say('first')}${say('second')}${STAY}`);
    const reported = await Promise.all(['second', 'first'].map((event) => child.event(event, LIMIT_MS)));
    expect(reported.map(({ event }) => event)).toEqual(['second', 'first']);
  });

  it('keeps the newest thousand events', async () => {
    const child = run(`${say('old')}for (let i = 0; i < 999; i++) ${say('x')}${say('last')}${STAY}`);
    await child.event('last', LIMIT_MS);
    await expect(child.event('old', 1)).rejects.toThrow("did not report 'old'");
    const kept = run(`${say('old')}for (let i = 0; i < 998; i++) ${say('x')}${say('last')}${STAY}`);
    await kept.event('last', LIMIT_MS);
    expect(await kept.event('old', 1)).toMatchObject({ event: 'old' });
  });
});
