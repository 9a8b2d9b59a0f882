import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { openLog } from '../src/log.js';

/** A stand-in for stderr. */
function output(isTTY: boolean): { stream: NodeJS.WriteStream; text: () => string } {
  const stream = Object.assign(new PassThrough(), { isTTY }) as unknown as NodeJS.WriteStream;
  return { stream, text: () => String((stream as unknown as PassThrough).read() ?? '') };
}

describe('the log', () => {
  it('is JSON lines with level, time and message when nobody watches', () => {
    const { stream, text } = output(false);
    openLog('info', stream).warn({ event: 'refused', target: 'db:5432' }, 'the relay does not allow it');
    const line: unknown = JSON.parse(text());
    expect(line).toMatchObject({
      level: 'warn',
      event: 'refused',
      target: 'db:5432',
      msg: 'the relay does not allow it',
    });
    expect(line).toHaveProperty('time', expect.stringMatching(/^\d{4}-\d\d-\d\dT/));
  });

  it('is words on a terminal, and what a stranger wrote cannot steer it', () => {
    const { stream, text } = output(true);
    openLog('info', stream).info({ event: 'x' }, 'connected\u001b[2J to\r\nthe relay');
    const [line = '', ...rest] = text().split('\n');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colour of our own is fine
    expect(line.replace(/\u001b\[\d+m/g, '')).toMatch(
      /^\[?\d\d:\d\d:\d\d\]? INFO: connected \[2J to the relay$/,
    );
    expect(rest).toEqual(['']);
  });

  it('drops key fields, should somebody pass them', () => {
    const { stream, text } = output(false);
    openLog('info', stream).info({ privateKey: 'secret', peer: { presharedKey: 'secret' } }, 'x');
    expect(text()).not.toContain('secret');
  });

  it('is quiet below its level', () => {
    const { stream, text } = output(false);
    openLog('warn', stream).info({}, 'x');
    openLog('silent', stream).error({}, 'x');
    expect(text()).toBe('');
  });
});
