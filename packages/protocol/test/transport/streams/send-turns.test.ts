/** Whose turn it is to send (spec streams 5.9). */
import { describe, expect, it } from 'vitest';
import type { ConnectionStream } from '../../../src/transport/streams/stream.js';
import { makeStreamSet } from './make-stream-set.js';

const FRAME_BYTES = 1000;
const CHUNK = new Uint8Array(500_000);

/** Streams with much to send, by letters, and what sends next. */
class Senders {
  readonly #turnBytes: number;
  readonly #set = makeStreamSet('client', { turnBytes: () => this.#turnBytes });
  readonly #names = new Map<ConnectionStream, string>();

  constructor(turnBytes: number) {
    this.#turnBytes = turnBytes;
    this.#set.onHello(2 ** 40, 2 ** 30, 100);
  }

  open(name: string, bytes = CHUNK.length): ConnectionStream {
    const stream = this.#set.open() as ConnectionStream;
    this.#names.set(stream, name);
    if (bytes > 0) stream.write(CHUNK.subarray(0, bytes));
    return stream;
  }

  /** @returns the streams of the next frames, in order */
  send(frames: number): string {
    const packet = new Uint8Array(FRAME_BYTES);
    let order = '';
    while (order.length < frames) {
      const stream = this.#set.sending.next();
      if (stream === undefined) break;
      this.#set.sending.writeFrame(stream, packet, 0, packet.length);
      order += this.#names.get(stream);
      this.#set.sending.onSent(stream);
    }
    return order;
  }

  lose(stream: ConnectionStream): void {
    this.#set.onFrameLost(stream.id, 0, 10, false);
  }
}

describe('streams that have bytes to send', () => {
  it('send one frame each in turn on a slow path', () => {
    const senders = new Senders(0);
    for (const name of 'abc') senders.open(name);
    expect(senders.send(7)).toBe('abcabca');
  });

  it('send several frames in a turn on a fast path', () => {
    const senders = new Senders(3 * (FRAME_BYTES - 10));
    for (const name of 'ab') senders.open(name);
    expect(senders.send(10)).toBe('aaabbbaaab');
  });

  it('go before the others if those have all had a turn since (spec streams 5.9: "MUST have its turn before")', () => {
    const senders = new Senders(2 * (FRAME_BYTES - 10));
    for (const name of 'abc') senders.open(name);
    const typing = senders.open('t', 10);
    senders.send(7); // everybody has had a turn
    senders.send(6);
    typing.write(CHUNK.subarray(0, 10));
    expect(senders.send(3)[0]).toBe('t');
  });

  it('stand in line if they come back sooner than a round, so that they cannot hold up the others', () => {
    const senders = new Senders(0);
    for (const name of 'abc') senders.open(name);
    const eager = senders.open('e', 10);
    let order = '';
    for (let n = 0; n < 40; n++) {
      order += senders.send(1);
      eager.write(CHUNK.subarray(0, 10));
    }
    const share = (name: string) => order.split(name).length - 1;
    for (const name of 'abce') expect(share(name)).toBeGreaterThanOrEqual(8);
  });

  it('go first if bytes of them were lost', () => {
    const senders = new Senders(0);
    const [, , last] = [...'abc'].map((name) => senders.open(name, 500));
    expect(senders.send(9)).toBe('abc');
    for (const name of 'def') senders.open(name);
    senders.send(6);
    senders.lose(last as ConnectionStream);
    expect(senders.send(1)).toBe('c');
  });
});
