import { Duplex } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { Channel, type Handlers, MAX_CHANNEL_BACKLOG_BYTES } from '../../src/workers/channel.js';
import { pipes } from './pipes.js';

const nothing = () => {};

function pair(handlers: Handlers, pieceBytes?: number) {
  const [a, b] = pipes(pieceBytes);
  return { a, b, asking: new Channel(a, {}, nothing), answering: new Channel(b, handlers, nothing) };
}

describe('a channel between two processes', () => {
  it.each([1, 3, 65_536])('carries messages in order, in pieces of %i bytes', async (pieceBytes) => {
    const got: unknown[] = [];
    const { asking } = pair(
      { note: (body) => got.push(body), sum: ({ a, b }: { a: number; b: number }) => a + b },
      pieceBytes,
    );
    asking.tell('note', { text: 'one' });
    asking.tell('note', Uint8Array.of(1, 2, 3));
    expect(await asking.ask('sum', { a: 2, b: 3 })).toBe(5);
    expect(got).toEqual([{ text: 'one' }, Uint8Array.of(1, 2, 3)]);
  });

  it('answers each request by its own answer, whichever is ready first', async () => {
    let finishSlow: (value: string) => void = nothing;
    const { asking } = pair({
      slow: () => new Promise((resolve) => (finishSlow = resolve)),
      fast: () => 'fast',
    });
    const slow = asking.ask('slow');
    expect(await asking.ask('fast')).toBe('fast');
    finishSlow('slow');
    expect(await slow).toBe('slow');
  });

  it('reports a failure to whoever asked', async () => {
    const { asking } = pair({
      fail: () => {
        throw new Error('no room');
      },
    });
    await expect(asking.ask('fail')).rejects.toThrow('no room');
  });

  it('fails what waits when the other process ends, and everything after that', async () => {
    const [a, b] = pipes();
    let ended = 0;
    const asking = new Channel(a, {}, () => ended++);
    const waiting = asking.ask('never');
    b.destroy();
    await expect(waiting).rejects.toThrow('the other process has ended');
    await expect(asking.ask('never')).rejects.toThrow('the other process has ended');
    asking.tell('never', undefined);
    expect(ended).toBe(1);
  });

  it('ends when its pipe fails, as when the other process has crashed', async () => {
    const write = (_chunk: Buffer, _encoding: BufferEncoding, done: (error: Error) => void) =>
      done(new Error('write EPIPE'));
    const broken = new Duplex({ read: nothing, write });
    await new Promise<void>((resolve) => {
      new Channel(broken, {}, resolve).tell('anything', 1);
    });
    expect(broken.destroyed).toBe(true);
  });

  it('leaves no key in what it has written, and lets the receiver wipe what it got', async () => {
    const secret = new Uint8Array(32).fill(0x5a);
    let received: Uint8Array | undefined;
    const { a, b, asking } = pair({
      key: ({ key }: { key: Uint8Array }) => {
        received = Uint8Array.from(key);
        key.fill(0);
      },
    });
    await asking.ask('key', { key: secret });
    expect(received).toEqual(secret);
    await new Promise(setImmediate);
    expect(b.arrived.length).toBeGreaterThan(0);
    for (const bytes of [...a.written, ...b.arrived]) {
      expect(bytes.includes(Buffer.from(secret.subarray(0, 8)))).toBe(false);
    }
  });

  it('ends at both sides when one closes it, and fails what waits once', async () => {
    const [a, b] = pipes();
    const ends: string[] = [];
    const closing = new Channel(a, {}, () => ends.push('a'));
    new Channel(b, {}, () => ends.push('b'));
    const waiting = closing.ask('never');
    closing.close();
    await expect(waiting).rejects.toThrow('the other process has ended');
    for (let n = 0; n < 5; n++) await new Promise(setImmediate);
    expect(ends).toEqual(['a', 'b']);
  });

  it('says when the other process is behind, which a few batches of datagrams are not', () => {
    const stalled = new Duplex({ read() {}, write() {} });
    const channel = new Channel(stalled, {}, nothing);
    expect(channel.isBehind).toBe(false);
    for (let n = 0; n < 4; n++) channel.tell('batch', new Uint8Array(65_536));
    expect(channel.isBehind).toBe(false);
    channel.tell('much', new Uint8Array(MAX_CHANNEL_BACKLOG_BYTES));
    expect(channel.isBehind).toBe(true);
  });
});
