/** What the program prints, and what it makes of an output that fails. */
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { printErrorLine, printLine, withoutControlCharacters, writeOutput } from '../src/terminal.js';
import { recordPrinted } from './commands/printed.js';

describe('what is printed', () => {
  it('is a line, or what controls the terminal as it is', () => {
    const written: string[] = [];
    const write = vi
      .spyOn(process.stdout, 'write')
      .mockImplementation((text) => written.push(String(text)) > 0);
    onTestFinished(() => write.mockRestore());
    printLine('a result');
    writeOutput('\u001b[H');
    expect(written).toEqual(['a result\n', '\u001b[H']);
  });

  it('as a failure shows no key, no link and nothing that a terminal would interpret', () => {
    const printed = recordPrinted(false);
    const key = `${'A'.repeat(43)}=`;
    printErrorLine(`x ${key} y underpass://relay.example:1/${'B'.repeat(90)}\u001b[2J\r\nz`);
    const [line = '', ...others] = printed();
    expect(others).toEqual([]);
    expect(line).toMatch(/^err x \(a key, not shown\) y .* \[2J z$/);
    expect(line).not.toMatch(/AAAA|BBBB/);
  });

  it.each([
    ['plain text: é, 漢', 'plain text: é, 漢'],
    ['a\tb\nc', 'a b c'],
    ['\u0000a\u001b\u001b[1mb\u007fc\u009fd', ' a [1mb c d'],
    ['a\u0020b\u00a0c', 'a\u0020b\u00a0c'],
  ])('of %j is %j', (text, expected) => {
    expect(withoutControlCharacters(text)).toBe(expected);
  });
});

describe('a standard output that fails', () => {
  /** The module, with an output that nobody has used. */
  async function fresh() {
    vi.resetModules();
    const before = process.stdout.listeners('error');
    onTestFinished(() => {
      for (const listener of process.stdout.listeners('error'))
        if (!before.includes(listener)) process.stdout.off('error', listener as () => void);
      vi.resetModules();
    });
    const terminal = await import('../src/terminal.js');
    terminal.tolerateFailingOutput();
    const fail = (code: string) => process.stdout.emit('error', Object.assign(new Error(code), { code }));
    return { ...terminal, fail };
  }
  const waiting: (() => void)[] = [];
  beforeEach(() => {
    waiting.length = 0;
    const write = vi.spyOn(process.stdout, 'write').mockImplementation(((_text: string, done: () => void) => {
      waiting.push(done);
      return true;
    }) as never);
    onTestFinished(() => write.mockRestore());
  });

  it('ends nothing, and is a failure of the command that printed', async () => {
    const { fail, hasOutputFailed, requireOutput, settleOutput } = await fresh();
    expect(hasOutputFailed()).toBe(false);
    const required = requireOutput();
    const settled = settleOutput();
    fail('ENOSPC');
    for (const done of waiting) done();
    await expect(required).rejects.toMatchObject({
      message: 'cannot write to standard output: no space left',
      exitCode: 1,
    });
    expect(await settled).toMatchObject({ code: 'ENOSPC' });
    expect(hasOutputFailed()).toBe(true);
  });

  it('because its reader has gone is no failure', async () => {
    const { fail, hasOutputFailed, requireOutput } = await fresh();
    const required = requireOutput();
    fail('EPIPE');
    for (const done of waiting) done();
    await required;
    expect(hasOutputFailed()).toBe(true);
  });

  it('is known only when everything is written', async () => {
    const { requireOutput } = await fresh();
    let isDone = false;
    const required = requireOutput().then(() => {
      isDone = true;
    });
    await new Promise(setImmediate);
    expect(isDone).toBe(false);
    for (const done of waiting) done();
    await required;
  });
});
