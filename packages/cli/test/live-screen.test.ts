/** A terminal that the test plays. */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { LiveScreen } from '../src/live-screen.js';
import { usesColor } from '../src/terminal.js';

const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';
const written: string[] = [];
const keyboard: string[] = [];
let onKey: (keys: string | Buffer) => void = () => undefined;

/** @param isTTY  whether there is a keyboard */
function play(isTTY: boolean): void {
  const { stdin } = process;
  Object.defineProperty(stdin, 'isTTY', { value: isTTY, configurable: true, writable: true });
  Object.assign(stdin, {
    setRawMode: (isRaw: boolean) => keyboard.push(`raw ${isRaw}`),
    setEncoding: () => stdin,
    on: (_event: string, listener: typeof onKey) => {
      keyboard.push('listen');
      onKey = listener;
      return stdin;
    },
    off: (_event: string, listener: typeof onKey) => {
      keyboard.push(listener === onKey ? 'listen no more' : 'another listener');
      return stdin;
    },
    resume: () => keyboard.push('resume') && stdin,
    pause: () => keyboard.push('pause') && stdin,
  });
}

beforeEach(() => {
  written.length = 0;
  keyboard.length = 0;
  const names = ['isTTY', 'setRawMode', 'setEncoding', 'on', 'off', 'resume', 'pause'] as const;
  const before = names.map((name) => [name, Object.getOwnPropertyDescriptor(process.stdin, name)] as const);
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => written.push(String(text)) > 0);
  return () => {
    vi.restoreAllMocks();
    for (const [name, descriptor] of before) {
      if (descriptor === undefined) Reflect.deleteProperty(process.stdin, name);
      else Object.defineProperty(process.stdin, name, descriptor);
    }
  };
});

describe('a live screen', () => {
  it('uses the second screen and the keyboard, and gives both back once', () => {
    play(true);
    const listeners = process.listenerCount('exit');
    const screen = new LiveScreen(() => undefined);
    expect([written, keyboard]).toEqual([[ENTER], ['raw true', 'listen', 'resume']]);
    expect(process.listenerCount('exit')).toBe(listeners + 1);
    screen.show(['one', 'two']);
    expect(written.at(-1)).toBe('\u001b[Hone\u001b[K\r\ntwo\u001b[K\u001b[J');
    keyboard.length = 0;
    screen.close();
    screen.close();
    screen.show(['three']);
    expect(written.slice(2)).toEqual([LEAVE]);
    expect(keyboard).toEqual(['listen no more', 'pause', 'raw false']);
    expect(process.listenerCount('exit')).toBe(listeners);
  });

  it('leaves a keyboard alone that there is not', () => {
    play(false);
    const screen = new LiveScreen(() => undefined);
    screen.close();
    expect([written, keyboard]).toEqual([[ENTER, LEAVE], []]);
  });

  it('is closed when the process exits', () => {
    play(false);
    const before = process.listeners('exit');
    const screen = new LiveScreen(() => undefined);
    const [restore] = process.listeners('exit').filter((listener) => !before.includes(listener));
    restore?.(0);
    expect(written.at(-1)).toBe(LEAVE);
    screen.close();
    expect(written).toHaveLength(2);
  });

  it('ends with q or Ctrl-C, and with no other key', () => {
    play(true);
    let quits = 0;
    const screen = new LiveScreen(() => quits++);
    for (const key of ['x', '\u001b[A', 'w', ' ']) onKey(key);
    expect(quits).toBe(0);
    for (const key of ['q', 'Q', '\u0003', Buffer.from('q')]) onKey(key);
    expect(quits).toBe(4);
    screen.close();
  });

  it.each([
    [100, 50, { columns: 100, rows: 50 }],
    [0, 0, { columns: 80, rows: 24 }],
    [undefined, undefined, { columns: 80, rows: 24 }],
  ])('has a size, also on a terminal that says %s × %s', (columns, rows, size) => {
    play(false);
    const screen = new LiveScreen(() => undefined);
    const { stdout } = process;
    const before = { columns: stdout.columns, rows: stdout.rows };
    Object.assign(stdout, { columns, rows });
    expect(screen.size).toEqual(size);
    Object.assign(stdout, before);
    screen.close();
  });
});

it.each<[string, boolean | undefined, string, string, boolean]>([
  ['a terminal', true, '', 'xterm', true],
  ['a terminal of a user who wants none', true, '1', 'xterm', false],
  ['a terminal that has none', true, '', 'dumb', false],
  ['a pipe', undefined, '', 'xterm', false],
  ['a file', false, '', 'xterm', false],
])('colour is used on %s: %s', (_what, isTTY, noColor, term, expected) => {
  vi.stubEnv('NO_COLOR', noColor);
  vi.stubEnv('TERM', term);
  expect(usesColor(isTTY === undefined ? {} : { isTTY })).toBe(expected);
  vi.unstubAllEnvs();
});
