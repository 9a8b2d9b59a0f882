import { StreamErrorCode } from '@underpass/protocol';
import type { StreamHandler } from '@underpass/runtime';
import { describe, expect, it } from 'vitest';
import { encodeAddressed } from '../src/addressed-message.js';
import {
  DESCRIPTOR_LOOK_MS,
  DIALS_BURST,
  DIALS_PER_SECOND,
  DNS_FLOW_IDLE_MS,
  FLOW_IDLE_MS,
  MAX_FLOWS_PER_PEER,
} from '../src/forward-constants.js';
import type { NameResolver } from '../src/lookup-queue.js';
import type { RateLimit } from '../src/rate-limit.js';
import { encodeRequest } from '../src/request.js';
import type { FakeStream } from './fake-stream.js';
import { byteOf, bytes, settled, setUp } from './played-flows.js';

describe('a flow at the relay', () => {
  it('carries messages in both directions, from those that came with the request', async () => {
    const { accept, sockets, heard } = setUp(['192.0.2.9:53/udp']);
    const { stream, arrive } = accept('192.0.2.9', 53, 'first');
    await settled();
    arrive('second', 'third');
    sockets[0]?.arrive('answer');
    expect(sockets.map(({ to, sent }) => [to, sent])).toEqual([
      ['192.0.2.9 53', ['first', 'second', 'third']],
    ]);
    expect(stream.written).toEqual(Buffer.of(byteOf('opened') as number));
    expect(stream.sentDatagrams.map(String)).toEqual(['answer']);
    expect(heard).toEqual(['opened 192.0.2.9:53/udp at 192.0.2.9']);
  });

  it('sends nothing to a target that only a TCP rule permits (spec forwarding 3.8: "MUST NOT permit UDP")', async () => {
    const { accept, sockets, heard } = setUp(['192.0.2.9:53', 'dns.example:53']);
    expect(accept('192.0.2.9', 53, 'hello').stream.written[0]).toBe(byteOf('not-allowed'));
    expect(accept('dns.example', 53, 'hello').stream.written[0]).toBe(byteOf('not-allowed'));
    await settled();
    expect(sockets).toEqual([]);
    expect(heard[0]).toContain('add the rule 192.0.2.9:53/udp');
  });

  it('resolves a name, and sends only to an address that is permitted too (spec forwarding 3.4)', async () => {
    const resolve = async () => ['10.0.0.1', '9.9.9.9'];
    const { accept, sockets } = setUp(['dns.example:53/udp', '10.0.0.0/8:53'], { resolve });
    accept('dns.example', 53, 'question');
    await settled();
    await settled();
    expect(sockets.map(({ to }) => to)).toEqual(['9.9.9.9 53']);
  });

  it('takes the next address if there is no route to the first, and refuses if there is none to any', async () => {
    const resolve = async () => ['2001:4860::1', '9.9.9.9'];
    const noRoute = Object.assign(new Error('no route'), { code: 'ENETUNREACH' });
    const isDead = { all: false };
    const failure = (address: string) => (isDead.all || address.includes(':') ? noRoute : undefined);
    const { accept, sockets } = setUp(['*:*/udp'], { resolve, failure });
    accept('dns.example', 53);
    await settled();
    await settled();
    expect(sockets.map(({ to }) => to)).toEqual(['9.9.9.9 53']);
    isDead.all = true;
    const { stream } = accept('9.9.9.9', 53);
    await settled();
    expect(stream.written[0]).toBe(byteOf('unreachable'));
  });

  it('refuses a name that does not resolve, or not in time', async () => {
    const resolve: NameResolver = (name) =>
      name === 'no.example' ? Promise.reject(new Error('ENOTFOUND')) : new Promise(() => undefined);
    const { accept, timers } = setUp(['*:*/udp'], { resolve });
    const [wrong, slow] = [accept('no.example', 53), accept('slow.example', 53)];
    await settled();
    expect(wrong.stream.written[0]).toBe(byteOf('name-not-found'));
    timers.advance(10_000);
    expect(slow.stream.written[0]).toBe(byteOf('timed-out'));
  });

  it('asks nothing more about a name once the peer has given up, and opens nothing for its addresses', async () => {
    const resolver: { answer?: (addresses: string[]) => void } = {};
    const resolve: NameResolver = () =>
      new Promise((answer) => {
        resolver.answer = answer;
      });
    const { accept, timers, sockets } = setUp(['*:53/udp'], { resolve });
    const { handler } = accept('slow.example', 53);
    const withLookup = timers.pending;
    handler.onReset?.(StreamErrorCode.cancelled);
    expect(timers.pending).toBeLessThan(withLookup);
    resolver.answer?.(['9.9.9.9']);
    await settled();
    expect([sockets, timers.pending]).toEqual([[], 0]);
  });

  it.each([
    [123, FLOW_IDLE_MS],
    [53, DNS_FLOW_IDLE_MS],
  ])(
    'to port %i ends when no message has passed for %i ms (spec forwarding 5.3: "MUST end a flow")',
    async (port, limitMs) => {
      const { accept, timers, sockets, heard } = setUp(['192.0.2.9:*/udp']);
      const { stream, arrive } = accept('192.0.2.9', port, 'one');
      await settled();
      timers.advance(limitMs - 1);
      arrive('two');
      timers.advance(limitMs - 1);
      sockets[0]?.arrive('answer');
      timers.advance(limitMs - 1);
      expect(sockets[0]?.isClosed).toBe(false);
      timers.advance(1);
      expect(sockets[0]?.isClosed).toBe(true);
      expect([stream.finished, stream.stopCode]).toEqual([true, StreamErrorCode.cancelled]);
      expect(heard.at(-1)).toBe('ended 6 6 true');
    },
  );

  it('ends with the peer FIN, its reset or a lost connection', async () => {
    const { accept, sockets, heard } = setUp(['192.0.2.9:53/udp']);
    const flows = [1, 2, 3].map(() => accept('192.0.2.9', 53));
    await settled();
    flows[0]?.stream.arriveFin();
    flows[0]?.handler.onReadable?.();
    flows[1]?.handler.onReset?.(StreamErrorCode.cancelled);
    flows[2]?.handler.onStopped?.(StreamErrorCode.cancelled);
    expect(sockets.map(({ isClosed }) => isClosed)).toEqual([true, true, true]);
    for (const { handler } of flows) handler.onClosed?.();
    expect(heard.filter((line) => line.startsWith('ended'))).toHaveLength(3);
  });

  it.each<[string, boolean, (stream: FakeStream, handler: StreamHandler) => void]>([
    [
      'its FIN',
      true,
      (stream, handler) => {
        stream.arriveFin();
        handler.onReadable?.();
      },
    ],
    ['a stop', true, (_stream, handler) => handler.onStopped?.(StreamErrorCode.cancelled)],
    ['its reset', false, (_stream, handler) => handler.onReset?.(StreamErrorCode.cancelled)],
    ['a closed stream', false, (_stream, handler) => handler.onClosed?.()],
  ])('that ends with %s of the peer has ended cleanly or not: %s', async (_what, clean, end) => {
    const { accept, sockets, heard, timers, takeWakes } = setUp(['192.0.2.9:53/udp']);
    const { stream, handler, arrive } = accept('192.0.2.9', 53);
    await settled();
    stream.arrive('nothing may follow the request');
    handler.onReadable?.();
    expect([sockets[0]?.isClosed, timers.pending]).toEqual([false, 1]);
    takeWakes();
    end(stream, handler);
    expect([sockets[0]?.isClosed, timers.pending, takeWakes()]).toEqual([true, 0, 1]);
    expect(heard.slice(1)).toEqual([`ended 0 0 ${clean}`]);
    arrive('late');
    sockets[0]?.arrive('late');
    handler.onClosed?.();
    expect([sockets[0]?.sent, stream.sentDatagrams, heard.length, takeWakes()]).toEqual([[], [], 2, 0]);
  });

  it('wakes the driver when it opens, and for each message that it sends', async () => {
    const { accept, sockets, takeWakes } = setUp(['192.0.2.9:53/udp']);
    accept('192.0.2.9', 53);
    takeWakes();
    await settled();
    expect(takeWakes()).toBe(1);
    sockets[0]?.arrive('answer');
    expect(takeWakes()).toBe(1);
    sockets[0]?.arrive('x'.repeat(2000));
    expect(takeWakes()).toBe(0);
  });

  it('sends each message to the peer at the time at which it arrives', async () => {
    const { accept, sockets, timers } = setUp(['192.0.2.9:53/udp']);
    const { stream } = accept('192.0.2.9', 53);
    await settled();
    const times: number[] = [];
    stream.sendDatagram = (now) => {
      times.push(now);
      return 'queued';
    };
    timers.advance(70);
    sockets[0]?.arrive('answer');
    expect(times).toEqual([70]);
  });

  it('drops what exceeds the limit of its peer, in each direction, and counts it in neither', async () => {
    const upTo = (limit: number) => ({ takeMessage: (length: number) => length <= limit });
    const limit = { fromPeer: upTo(3), toPeer: upTo(5) } as unknown as RateLimit;
    const { accept, sockets, heard } = setUp(['192.0.2.9:53/udp'], { limit });
    const { stream, handler, arrive } = accept('192.0.2.9', 53);
    await settled();
    arrive('four', 'two');
    for (const text of ['seven..', 'five.']) sockets[0]?.arrive(text);
    expect([sockets[0]?.sent, stream.sentDatagrams.map(String)]).toEqual([['two'], ['five.']]);
    handler.onStopped?.(StreamErrorCode.cancelled);
    expect(heard.at(-1)).toBe('ended 5 3 true');
  });

  it('ends when the rules change and no longer permit it, before another message (spec forwarding 5.2: "MUST end the flow at once")', async () => {
    const { accept, setRules, sockets, heard } = setUp(['192.0.2.9:53/udp']);
    const [first, second] = [accept('192.0.2.9', 53), accept('192.0.2.9', 53)];
    await settled();
    setRules('192.0.2.0/24:53/udp');
    first.arrive('still');
    setRules('192.0.2.9:53');
    first.arrive('no longer');
    sockets[1]?.arrive('nor this');
    expect(sockets.map(({ sent, isClosed }) => [sent, isClosed])).toEqual([
      [['still'], true],
      [[], true],
    ]);
    expect(second.stream.sentDatagrams).toEqual([]);
    expect(second.stream.resetCode).toBe(StreamErrorCode.refused);
    expect(heard.filter((line) => line.includes('add the rule 192.0.2.9:53/udp'))).toHaveLength(2);
  });

  it('reports the first message that is too large for the tunnel, and drops it', async () => {
    const { accept, sockets, heard } = setUp(['192.0.2.9:53/udp']);
    const { stream } = accept('192.0.2.9', 53);
    await settled();
    for (const length of [2000, 3000, 10]) sockets[0]?.arrive('x'.repeat(length));
    expect(stream.sentDatagrams.map(({ length }) => length)).toEqual([10]);
    expect(heard.slice(1)).toEqual(['2000 above 1040']);
  });

  it('is refused when the peer has too many (spec forwarding 5.4: "MUST NOT have more than 512 flows")', async () => {
    const { accept, sockets } = setUp(['192.0.2.9:53/udp']);
    const flows = Array.from({ length: MAX_FLOWS_PER_PEER }, () => accept('192.0.2.9', 53));
    await settled();
    const further = accept('192.0.2.9', 53);
    expect(further.stream.written[0]).toBe(byteOf('too-many-streams'));
    expect(sockets).toHaveLength(MAX_FLOWS_PER_PEER);
    flows[0]?.handler.onReset?.(0);
    accept('192.0.2.9', 53);
    await settled();
    expect(sockets).toHaveLength(MAX_FLOWS_PER_PEER + 1);
  });

  it('is refused when descriptors run out (spec forwarding 2.7)', async () => {
    const { accept } = setUp(['192.0.2.9:53/udp'], { hasDescriptors: () => false });
    expect(accept('192.0.2.9', 53).stream.written[0]).toBe(byteOf('internal-error'));
  });

  it('is refused for lack of descriptors, and not as an unknown name, if its lookup had none (spec forwarding 2.7)', async () => {
    const has = { descriptors: true };
    const resolve = async () => {
      has.descriptors = false;
      throw new Error('EMFILE');
    };
    const { accept, timers } = setUp(['*:53/udp'], { resolve, hasDescriptors: () => has.descriptors });
    const { stream } = accept('dns.example', 53);
    // What was known to be free a moment ago says nothing about now.
    timers.advance(DESCRIPTOR_LOOK_MS);
    await settled();
    expect(stream.written[0]).toBe(byteOf('internal-error'));
  });

  it('closes the socket of a peer that gave up while it was opened', async () => {
    const { accept, sockets, heard } = setUp(['192.0.2.9:53/udp']);
    const { handler } = accept('192.0.2.9', 53);
    handler.onReset?.(StreamErrorCode.cancelled);
    await settled();
    expect(sockets.map(({ isClosed }) => isClosed)).toEqual([true]);
    expect(heard).toEqual([]);
  });
});

const SOCKET_REQUEST = encodeRequest({ kind: 'udp-socket' });
const addressed = (address: string, port: number, text: string) =>
  encodeAddressed({ address, port }, bytes(text));

describe('a flow without a fixed target at the relay', () => {
  it('sends to each target that is permitted from one socket, and says where answers come from (spec forwarding 5.7: "from one socket")', async () => {
    const { begin, sockets, heard } = setUp(['192.0.2.0/24:53/udp']);
    const { stream, handler } = begin(SOCKET_REQUEST, [addressed('192.0.2.1', 53, 'first')]);
    await settled();
    stream.arrivedDatagrams.push(addressed('192.0.2.2', 53, 'second'), addressed('192.0.2.2', 54, 'third'));
    handler.onDatagrams?.();
    sockets[0]?.arrive('answer', { address: '192.0.2.2', port: 53 });
    sockets[0]?.arrive('stranger', { address: '192.0.2.3', port: 53 });
    expect(sockets.map(({ sent }) => sent)).toEqual([['first to 192.0.2.1 53', 'second to 192.0.2.2 53']]);
    expect(stream.sentDatagrams).toEqual([addressed('192.0.2.2', 53, 'answer')]);
    expect(heard[0]).toBe('opened *:*/udp at ::');
    expect(heard[1]).toContain('not-allowed: 192.0.2.2:54/udp');
  });

  it('uses IPv4 on a machine without IPv6, and is refused without both', async () => {
    const isDead = { all: false };
    const failure = (address: string) =>
      isDead.all || address === '::' ? new Error('EAFNOSUPPORT') : undefined;
    const { begin, sockets } = setUp(['*:53/udp'], { failure });
    begin(SOCKET_REQUEST);
    await settled();
    await settled();
    expect(sockets.map(({ to }) => to)).toEqual(['0.0.0.0']);
    isDead.all = true;
    const { stream } = begin(SOCKET_REQUEST);
    await settled();
    await settled();
    expect(stream.written[0]).toBe(byteOf('internal-error'));
  });

  it('is refused without a rule for UDP, and ends when the last one goes', async () => {
    const { begin, setRules, sockets } = setUp(['192.0.2.1:53']);
    expect(begin(SOCKET_REQUEST).stream.written[0]).toBe(byteOf('not-allowed'));
    setRules('192.0.2.1:53/udp');
    const { stream } = begin(SOCKET_REQUEST, [addressed('192.0.2.1', 53, 'a')]);
    await settled();
    setRules('192.0.2.2:53/udp');
    sockets[0]?.arrive('late', { address: '192.0.2.1', port: 53 });
    expect([sockets[0]?.isClosed, stream.sentDatagrams]).toEqual([false, []]);
    setRules('192.0.2.2:53');
    expect([sockets[0]?.isClosed, stream.resetCode]).toEqual([true, StreamErrorCode.refused]);
  });

  it('ends when it is idle, and counts among the flows of its peer', async () => {
    const { begin, timers, sockets } = setUp(['*:53/udp']);
    for (let n = 0; n < MAX_FLOWS_PER_PEER; n++) begin(SOCKET_REQUEST);
    await settled();
    expect(begin(SOCKET_REQUEST).stream.written[0]).toBe(byteOf('too-many-streams'));
    timers.advance(FLOW_IDLE_MS);
    expect(sockets.every(({ isClosed }) => isClosed)).toBe(true);
  });

  it('is refused while its peer starts too many (spec forwarding 2.5)', async () => {
    const { begin, timers, heard } = setUp(['*:53/udp']);
    const beginAndEnd = () => {
      const { stream, handler } = begin(SOCKET_REQUEST);
      handler.onReset?.(StreamErrorCode.cancelled);
      return stream.written[0];
    };
    for (let n = 0; n < DIALS_BURST; n++) expect(beginAndEnd()).not.toBe(byteOf('too-many-streams'));
    expect(beginAndEnd()).toBe(byteOf('too-many-streams'));
    expect(heard.at(-1)).toContain('500 connections and flows a second');
    timers.advance(1000 / DIALS_PER_SECOND);
    expect(beginAndEnd()).not.toBe(byteOf('too-many-streams'));
    await settled();
  });

  it('ignores a message without a proper address', async () => {
    const { begin, sockets, heard } = setUp(['*:53/udp']);
    begin(SOCKET_REQUEST, [bytes(''), bytes('nonsense'), addressed('192.0.2.1', 0, 'x')]);
    await settled();
    expect([sockets[0]?.sent, heard.length]).toEqual([[], 1]);
  });
});
