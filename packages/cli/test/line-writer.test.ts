import { describe, expect, it } from 'vitest';
import { LineWriter, LOG_RETRY_MS, MAX_PENDING_LOG_BYTES } from '../src/line-writer.js';

/** A descriptor that accepts `roomBytes` more bytes, then fails with `code`. */
class Descriptor {
  roomBytes = Number.POSITIVE_INFINITY;
  code = 'EAGAIN';
  text = '';
  readonly write = (bytes: Uint8Array): number => {
    if (this.roomBytes === 0) throw Object.assign(new Error(this.code), { code: this.code });
    const taken = Math.min(bytes.length, this.roomBytes);
    this.roomBytes -= taken;
    this.text += Buffer.from(bytes.subarray(0, taken)).toString();
    return taken;
  };
}

function setUp() {
  const descriptor = new Descriptor();
  const timers: (() => void)[] = [];
  const delaysMs: number[] = [];
  const writer = new LineWriter({
    write: descriptor.write,
    schedule: (delayMs, callback) => {
      delaysMs.push(delayMs);
      timers.push(callback);
    },
    describeLoss: (lines, cause) => `${lines} lost: ${cause instanceof Error ? cause.message : '?'}`,
  });
  const runTimers = (): void => {
    for (const callback of timers.splice(0)) callback();
  };
  return { descriptor, writer, timers, delaysMs, runTimers };
}

describe('a line writer', () => {
  it('writes each line at once', () => {
    const { descriptor, writer } = setUp();
    writer.write('a');
    expect(descriptor.text).toBe('a\n');
    writer.write('b');
    expect(descriptor.text).toBe('a\nb\n');
  });

  it.each(['EAGAIN', 'ENOSPC', 'EFBIG', 'EPIPE', 'EIO', 'EDQUOT', 'EBADF'])(
    'survives %s and writes the waiting lines in order when writing works again',
    (code) => {
      const { descriptor, writer, runTimers } = setUp();
      descriptor.roomBytes = 0;
      descriptor.code = code;
      writer.write('a');
      writer.write('b');
      runTimers();
      expect(descriptor.text).toBe('');
      descriptor.roomBytes = Number.POSITIVE_INFINITY;
      runTimers();
      expect(descriptor.text).toBe('a\nb\n');
      expect(writer.pendingBytes).toBe(0);
    },
  );

  it('continues in the middle of a partly written line', () => {
    const { descriptor, writer } = setUp();
    descriptor.roomBytes = 3;
    writer.write('abcdef');
    expect(descriptor.text).toBe('abc');
    descriptor.roomBytes = Number.POSITIVE_INFINITY;
    writer.write('next');
    expect(descriptor.text).toBe('abcdef\nnext\n');
  });

  it('holds a bounded amount, counts what it drops, and reports that before any newer line', () => {
    const { descriptor, writer, runTimers } = setUp();
    descriptor.roomBytes = 0;
    descriptor.code = 'ENOSPC';
    const line = 'x'.repeat(999);
    const heldCount = Math.floor(MAX_PENDING_LOG_BYTES / 1000);
    for (let i = 0; i < heldCount + 100; i++) writer.write(line);
    writer.write('it fits, but is later than lines that were lost');
    expect(writer.pendingBytes).toBe(heldCount * 1000);
    descriptor.roomBytes = Number.POSITIVE_INFINITY;
    runTimers();
    writer.write('new');
    const lines = descriptor.text.split('\n');
    expect(lines.slice(heldCount)).toEqual(['101 lost: ENOSPC', 'new', '']);
  });

  it('keeps one timer, however many lines wait', () => {
    const { descriptor, writer, timers } = setUp();
    descriptor.roomBytes = 0;
    for (let i = 0; i < 100; i++) writer.write('x');
    expect(timers).toHaveLength(1);
  });

  it('tries again and again while nothing is taken, and no more when all is written', () => {
    const { descriptor, writer, timers, delaysMs, runTimers } = setUp();
    descriptor.roomBytes = 0;
    writer.write('x');
    for (let i = 0; i < 3; i++) runTimers();
    expect(delaysMs).toEqual([LOG_RETRY_MS, LOG_RETRY_MS, LOG_RETRY_MS, LOG_RETRY_MS]);
    descriptor.roomBytes = Number.POSITIVE_INFINITY;
    runTimers();
    expect([descriptor.text, timers, writer.flush()]).toEqual(['x\n', [], true]);
  });

  it('waits if a call takes nothing without an error', () => {
    const { descriptor, timers } = setUp();
    const writer = new LineWriter({
      write: () => 0,
      schedule: (_delayMs, callback) => timers.push(callback),
      describeLoss: () => 'lost',
    });
    writer.write('x');
    expect([writer.flush(), writer.pendingBytes, timers.length, descriptor.text]).toEqual([false, 2, 1, '']);
  });

  it('holds exactly as much as the limit, and reports every loss with its own number and cause', () => {
    const { descriptor, writer, runTimers } = setUp();
    for (const code of ['ENOSPC', 'EIO']) {
      Object.assign(descriptor, { roomBytes: 0, code, text: '' });
      writer.write('x'.repeat(MAX_PENDING_LOG_BYTES - 1));
      expect(writer.pendingBytes).toBe(MAX_PENDING_LOG_BYTES);
      writer.write('');
      expect(writer.pendingBytes).toBe(MAX_PENDING_LOG_BYTES);
      descriptor.roomBytes = Number.POSITIVE_INFINITY;
      runTimers();
      expect(descriptor.text.slice(MAX_PENDING_LOG_BYTES)).toBe(`1 lost: ${code}\n`);
    }
  });
});
