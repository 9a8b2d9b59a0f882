import { isatty } from 'node:tty';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type LogOutput, openLog } from '../src/log.js';
import { LOG_BURST_LINES } from '../src/log-limiter.js';
import { stderrWriter } from '../src/stderr.js';

/** A stand-in for stderr. */
function output(isTTY: boolean): { stream: LogOutput; text: () => string } {
  const lines: string[] = [];
  const stream = { isTTY, writeLine: (line: string) => lines.push(line) };
  return { stream, text: () => lines.map((line) => `${line}\n`).join('') };
}

describe('the log', () => {
  it('is JSON lines with level, time and message if stderr is not a terminal', async () => {
    const { stream, text } = output(false);
    (await openLog('info', stream)).warn(
      { event: 'refused', target: 'db:5432' },
      'the relay does not allow it',
    );
    const line: unknown = JSON.parse(text());
    expect(line).toMatchObject({
      level: 'warn',
      event: 'refused',
      target: 'db:5432',
      msg: 'the relay does not allow it',
    });
    expect(line).toHaveProperty('time', expect.stringMatching(/^\d{4}-\d\d-\d\dT/));
  });

  it('is text on a terminal, without control characters from strangers', async () => {
    const { stream, text } = output(true);
    (await openLog('info', stream)).info({ event: 'x' }, 'connected\u001b[2J to\r\nthe relay');
    const [line = '', ...rest] = text().split('\n');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: our own colours are allowed
    expect(line.replace(/\u001b\[\d+m/g, '')).toMatch(
      /^\[?\d\d:\d\d:\d\d\]? INFO: connected \[2J to the relay$/,
    );
    expect(rest).toEqual(['']);
  });

  it('shows no field of an event as if it were the name of the program', async () => {
    const { stream, text } = output(true);
    (await openLog('info', stream)).info(
      { event: 'enrolled', name: 'my-relay', hostname: 'h', pid: 1 },
      'enrolled',
    );
    // biome-ignore lint/suspicious/noControlCharactersInRegex: our own colours are allowed
    expect(text().replace(/\u001b\[\d+m/g, '')).toMatch(/ INFO: enrolled\n$/);
  });

  it('removes key fields if a caller passes them', async () => {
    const { stream, text } = output(false);
    (await openLog('info', stream)).info({ privateKey: 'secret', peer: { presharedKey: 'secret' } }, 'x');
    expect(text()).not.toContain('secret');
  });

  it('limits repeated lines, and does not let one peer silence another', async () => {
    const { stream, text } = output(false);
    const log = await openLog('info', stream);
    for (let i = 0; i < 1000; i++) log.warn({ event: 'refused', peer: 'laptop', id: i }, 'not allowed');
    log.warn({ event: 'refused', peer: 'phone' }, 'not allowed');
    for (let i = 0; i < 1000; i++) log.debug({ event: 'refused', peer: 'tablet' }, 'below the level');
    const peers = text()
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line).peer as string);
    expect(peers.filter((peer) => peer === 'laptop')).toHaveLength(LOG_BURST_LINES);
    expect(peers.filter((peer) => peer === 'phone')).toHaveLength(1);
    expect(peers.filter((peer) => peer === 'tablet')).toHaveLength(0);
  });

  it.each([
    ['warn', { event: 'refused', peer: 'laptop' }, 3, "laptop: 3 more 'refused' lines in 0 s, not shown"],
    ['error', { event: 'refused' }, 1, "1 more 'refused' line in 0 s, not shown"],
    ['info', {}, 2, '2 more lines in 0 s, not shown'],
  ] as const)(
    'says at the end, at the level %s, what it has not shown: %j',
    async (level, fields, more, msg) => {
      vi.spyOn(performance, 'now').mockReturnValue(5000);
      const once = vi.spyOn(process, 'once');
      const { stream, text } = output(false);
      const log = await openLog('info', stream);
      for (let i = 0; i < LOG_BURST_LINES + more; i++) log[level](fields, 'x');
      const [, report] = once.mock.calls.find(([event]) => event === 'exit') ?? [];
      process.off('exit', report as () => void);
      vi.restoreAllMocks();
      (report as () => void)();
      const last = JSON.parse(text().trimEnd().split('\n').at(-1) ?? '');
      expect(last).toMatchObject({ level, event: 'suppressed', lines: more });
      expect(last.msg.replace(/in \d+ s/, 'in 0 s')).toBe(msg);
    },
  );

  it('is quiet below its level', async () => {
    const { stream, text } = output(false);
    (await openLog('warn', stream)).info({}, 'x');
    (await openLog('silent', stream)).error({}, 'x');
    expect(text()).toBe('');
  });

  it('goes to standard error line by line, and says there in the same form that lines were lost', async () => {
    const written: string[] = [];
    const write = vi.spyOn(stderrWriter(), 'write').mockImplementation((line) => void written.push(line));
    onTestFinished(() => write.mockRestore());
    (await openLog('info')).error({ event: 'x' }, 'no');
    expect(written).toHaveLength(1);
    expect(written[0]).not.toContain('\n');
    if (isatty(2)) expect(written[0]).toContain('no');
    else expect(JSON.parse(written[0] ?? '')).toMatchObject({ level: 'error', event: 'x', msg: 'no' });
  });

  it('takes lines without fields, and fields that are no text', async () => {
    const { stream, text } = output(false);
    const log = await openLog('info', stream);
    for (let i = 0; i <= LOG_BURST_LINES; i++) log.info({ event: 7, peer: ['a'] }, 'numbers');
    (log as unknown as { info(text: string): void }).info('only a text');
    const lines = text().trim().split('\n');
    expect(lines).toHaveLength(LOG_BURST_LINES); // they are of one kind, which has no name
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ event: 7, msg: 'numbers' });
  });
});
