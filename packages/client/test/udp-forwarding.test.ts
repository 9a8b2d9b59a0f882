import { MAX_FLOWS_PER_FORWARD, type OutgoingFlow, type UdpForward } from '@underpass/forward';
import type { Address } from '@underpass/protocol';
import type { FlowSocket } from '@underpass/runtime';
import { describe, expect, it } from 'vitest';
import type { FlowOptions } from '../src/carrier.js';
import { UdpForwarding } from '../src/udp-forwarding.js';
import { FakeTimers } from './fake-timers.js';

const SPEC: UdpForward = {
  kind: 'udp',
  text: '5353:dns.example:123',
  place: { bind: { kind: 'loopback' }, port: 5353 },
  target: { host: 'dns.example', port: 123, protocol: 'udp' },
};
const bytes = (text: string) => Buffer.from(text);

interface FakeFlow {
  readonly from: string;
  readonly sent: string[];
  isOver: boolean;
  isRefused: boolean;
  readonly answer: (text: string) => void;
}

async function setUp(port = SPEC.target.port) {
  const timers = new FakeTimers();
  const flows: FakeFlow[] = [];
  const answers: string[] = [];
  let isFull = false;
  let isListening = false;
  let receive: (message: Uint8Array, from: Address, via: FlowSocket) => void = () => {};
  const at = (address: string, name = ''): FlowSocket => ({
    address: { address, port: 5353 },
    send: (message, to) => answers.push(`${Buffer.from(message)} to ${to?.port}${name}`),
    close: () => {},
  });
  const via = at('127.0.0.1');
  const asked: unknown[] = [];
  const carrier = {
    openFlow: ({ from, onMessage, target, request }: FlowOptions) => {
      asked.push({ target, request });
      if (isFull) return undefined;
      const sent: string[] = [];
      const flow = {
        from,
        sent,
        isOver: false,
        isRefused: false,
        answer: (text: string) => onMessage(bytes(text)),
        send: (message: Uint8Array) => sent.push(String(Buffer.from(message))),
        end: () => {
          flow.isOver = true;
        },
      };
      flows.push(flow);
      return flow as unknown as OutgoingFlow;
    },
  };
  const spec = { ...SPEC, target: { ...SPEC.target, port } };
  const forwarding = new UdpForwarding(
    spec,
    carrier,
    timers,
    () => timers.now,
    async (_place, onMessage) => {
      receive = onMessage;
      isListening = true;
      const close = () => {
        isListening = false;
      };
      return { addresses: [via.address], close };
    },
  );
  await forwarding.start();
  const send = (port: number, text: string, socket = via, address = '127.0.0.1') =>
    receive(bytes(text), { address, port }, socket);
  const setFull = (full: boolean) => {
    isFull = full;
  };
  return { forwarding, timers, flows, answers, asked, at, send, setFull, isListening: () => isListening };
}

describe('a UDP forward', () => {
  it('has a flow for each address of a program, and answers each through it (spec forwarding 5.1)', async () => {
    const { send, flows, answers } = await setUp();
    send(1001, 'a');
    send(1002, 'b');
    send(1001, 'c');
    flows[1]?.answer('reply');
    expect(flows.map(({ from, sent }) => [from, sent])).toEqual([
      ['127.0.0.1 port 1001', ['a', 'c']],
      ['127.0.0.1 port 1002', ['b']],
    ]);
    expect(answers).toEqual(['reply to 1002']);
  });

  it('asks for its target, whatever the port of the program', async () => {
    const { send, asked } = await setUp();
    send(1001, 'a');
    expect(asked).toEqual([
      { target: SPEC.target, request: { kind: 'udp', host: 'dns.example', port: 123 } },
    ]);
  });

  it('tells programs of one port on two addresses apart', async () => {
    const { send, flows, at } = await setUp();
    const socket = at('0.0.0.0');
    for (const address of ['127.0.0.1', '127.0.0.2', '127.0.0.1']) send(1001, address, socket, address);
    expect(flows.map(({ from, sent }) => [from, sent.length])).toEqual([
      ['127.0.0.1 port 1001', 2],
      ['127.0.0.2 port 1001', 1],
    ]);
  });

  it('answers from the address to which the program has sent', async () => {
    const { send, flows, answers, at } = await setUp();
    send(1001, 'a');
    send(1001, 'b', at('::1', ' over IPv6'));
    for (const flow of flows) flow.answer('reply');
    expect(answers).toEqual(['reply to 1001', 'reply to 1001 over IPv6']);
  });

  it('ends a flow that is idle, and opens another for the next message (spec forwarding 5.3)', async () => {
    const { send, flows, timers } = await setUp();
    send(1001, 'a');
    await timers.runTo(timers.now + 119_999);
    flows[0]?.answer('still here');
    await timers.runTo(timers.now + 119_999);
    expect(flows[0]?.isOver).toBe(false);
    await timers.runTo(timers.now + 1);
    expect(flows[0]?.isOver).toBe(true);
    send(1001, 'b');
    expect(flows[1]?.sent).toEqual(['b']);
  });

  it.each([
    [53, 10_000],
    [123, 120_000],
  ])(
    'to port %i ends a flow that was idle for %i ms, whatever port the program has (spec forwarding 5.3)',
    async (port, idleMs) => {
      const { send, flows, timers } = await setUp(port);
      for (const from of [1001, 53]) send(from, 'a');
      await timers.runTo(timers.now + idleMs - 1);
      expect(flows.map(({ isOver }) => isOver)).toEqual([false, false]);
      await timers.runTo(timers.now + 1);
      expect(flows.map(({ isOver }) => isOver)).toEqual([true, true]);
    },
  );

  it('opens another flow when the relay has ended one, or the connection was lost', async () => {
    const { send, flows } = await setUp();
    send(1001, 'a');
    (flows[0] as FakeFlow).isOver = true;
    send(1001, 'b');
    send(1001, 'c');
    expect(flows.map(({ sent }) => sent)).toEqual([['a'], ['b', 'c']]);
  });

  it('gives a flow that follows another its own idle time', async () => {
    const { send, flows, timers } = await setUp();
    send(1001, 'a');
    await timers.runTo(timers.now + 119_999);
    (flows[0] as FakeFlow).isOver = true;
    send(1001, 'b');
    await timers.runTo(timers.now + 119_999);
    expect(flows[1]?.isOver).toBe(false);
    await timers.runTo(timers.now + 1);
    expect([flows[1]?.isOver, timers.pending]).toEqual([true, 0]);
  });

  it('does not ask again for a flow that was refused until it is idle (spec forwarding 5.6: "MUST NOT ask the relay again")', async () => {
    const { send, flows, timers, setFull } = await setUp();
    send(1001, 'a');
    Object.assign(flows[0] as FakeFlow, { isOver: true, isRefused: true });
    setFull(true);
    send(1002, 'c');
    setFull(false);
    await timers.runTo(timers.now + 119_999);
    send(1001, 'b');
    send(1002, 'd');
    expect(flows.map(({ sent }) => sent)).toEqual([['a']]);
    // Messages that are dropped do not put it off.
    await timers.runTo(timers.now + 1);
    send(1001, 'e');
    send(1002, 'f');
    expect(flows.slice(1).map(({ sent }) => sent)).toEqual([['e'], ['f']]);
  });

  it.each([
    [123, 5_000],
    [53, 1_000],
  ])(
    'to port %i gives the place of the flow that was idle for longest, if it was for %i ms, to a new one, and drops its message if all are busy (spec forwarding 5.4: "the client MUST drop the message")',
    async (port, idleMs) => {
      const { send, flows, timers } = await setUp(port);
      for (let n = 0; n < MAX_FLOWS_PER_FORWARD; n++) send(1000 + n, 'x');
      await timers.runTo(timers.now + idleMs - 1);
      send(9999, 'dropped');
      expect(flows).toHaveLength(MAX_FLOWS_PER_FORWARD);
      await timers.runTo(timers.now + 1);
      send(1000, 'busy');
      send(9999, 'taken');
      expect(flows.filter(({ isOver }) => isOver).map(({ from }) => from)).toEqual(['127.0.0.1 port 1001']);
      expect(flows.at(-1)?.sent).toEqual(['taken']);
    },
  );

  it('makes room by ending the flow that was idle for longest of several', async () => {
    const { send, flows, timers } = await setUp();
    for (let n = 0; n < MAX_FLOWS_PER_FORWARD; n++) send(1000 + n, 'x');
    for (const busy of [1000, 1001, 1003]) {
      await timers.runTo(timers.now + 1);
      for (let n = 0; n < MAX_FLOWS_PER_FORWARD; n++) if (n !== 2 && 1000 + n >= busy) send(1000 + n, 'y');
    }
    await timers.runTo(timers.now + 5_000);
    const ended: (string | undefined)[] = [];
    for (let n = 0; n < 4; n++) {
      const before = flows.filter(({ isOver }) => !isOver);
      send(9990 + n, 'new');
      ended.push(...before.filter(({ isOver }) => isOver).map(({ from }) => from.split(' ').at(-1)));
    }
    expect(ended).toEqual(['1002', '1000', '1001', '1003']);
    expect(flows.slice(-4).map(({ isOver }) => isOver)).toEqual([false, false, false, false]);
  });

  it('gives up the port, and ends every flow, with itself', async () => {
    const { send, flows, forwarding, timers, isListening } = await setUp();
    for (let n = 0; n < 3; n++) send(1000 + n, 'x');
    forwarding.close();
    expect(flows.map(({ isOver }) => isOver)).toEqual([true, true, true]);
    expect([timers.pending, isListening()]).toEqual([0, false]);
  });
});
