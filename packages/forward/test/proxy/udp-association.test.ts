/** An association whose program is the test, over real sockets, with flows that the test plays too. */
import { once } from 'node:events';
import type { Address } from '@underpass/protocol';
import { bindFlowSocket, type FlowSocket } from '@underpass/runtime';
import { describe, expect, it, onTestFinished } from 'vitest';
import { FLOW_IDLE_MS, PROXY_LINGER_MS } from '../../src/forward-constants.js';
import type { OutgoingFlow } from '../../src/outgoing-flow.js';
import { type FlowEnd, UdpAssociation } from '../../src/proxy/udp-association.js';
import { FakeTimers } from '../fake-timers.js';
import { howItEnds, socketPair } from '../sockets.js';

class FakeFlow {
  readonly sent: string[] = [];
  isOver = false;
  readonly owner: FlowEnd;

  constructor(end: FlowEnd) {
    this.owner = end;
  }
  send(message: Uint8Array): void {
    this.sent.push(String(Buffer.from(message)));
  }
  end(): void {
    this.isOver = true;
  }
}

/** The address that the program was told, as text. */
const addressIn = (text: string): Address => {
  const [address = '', port] = text.split(' ').slice(1);
  return { address, port: Number(port) };
};

async function setUp(fromPort = 0) {
  const { ours, theirs } = await socketPair();
  ours.pause(); // as the dynamic forward leaves it
  const timers = new FakeTimers();
  const flows: FakeFlow[] = [];
  let ends = 0;
  let next: (() => void) | undefined;
  const association = new UdpAssociation({
    socket: ours,
    request: {
      command: 'associate',
      fromPort,
      granted: ({ address, port }) => Buffer.from(`granted ${address} ${port}`),
      refusal: (failure) => Buffer.from(failure),
    },
    openFlow: (end) => {
      const flow = new FakeFlow(end);
      flows.push(flow);
      return flow as unknown as OutgoingFlow;
    },
    timers,
    now: timers.now,
    onEnd: () => ends++,
  });
  onTestFinished(() => void ours.destroy());
  const heard: string[] = [];
  theirs.on('data', (bytes) => {
    heard.push(String(bytes));
    next?.();
  });
  /** Resolves with what the program hears next on its TCP connection. */
  const answered = async (): Promise<string> => {
    while (heard.length === 0) await new Promise<void>((resolve) => (next = resolve));
    return heard.join('');
  };
  await association.start();
  /** The relay opens the first flow. */
  const grant = async (): Promise<Address> => {
    flows[0]?.owner.onOpened();
    return addressIn(await answered());
  };
  return { ours, theirs, timers, flows, ends: () => ends, heard, answered, grant };
}

/** A UDP socket of the program, or of another machine. */
async function program(address = '127.0.0.1') {
  const heard: string[] = [];
  let next: (() => void) | undefined;
  const socket: FlowSocket = await bindFlowSocket(
    { address, port: 0 },
    {
      onMessage: (message) => {
        heard.push(Buffer.from(message).toString('latin1'));
        next?.();
      },
    },
  );
  onTestFinished(() => socket.close());
  return {
    port: socket.address.port,
    close: () => socket.close(),
    send: (text: string, to: Address) => socket.send(Buffer.from(text, 'latin1'), to),
    hears: async () => {
      while (heard.length === 0) await new Promise<void>((resolve) => (next = resolve));
      return heard.shift();
    },
  };
}

const until = async (isMet: () => boolean): Promise<void> => {
  while (!isMet()) await new Promise((resolve) => setImmediate(resolve));
};

// spec proxy 9
describe('an association', () => {
  it('is granted when the relay has opened its first flow, and carries messages in both directions', async () => {
    const { flows, heard, grant, answered } = await setUp();
    expect([flows.length, heard]).toEqual([1, []]);
    const at = await grant();
    expect(at.address).toBe('127.0.0.1');
    const { send, hears } = await program();
    send('\0\0\0question', at);
    await until(() => flows[0]?.sent.length === 1);
    expect(flows[0]?.sent).toEqual(['question']);
    flows[0]?.owner.onMessage(Buffer.from('answer'));
    expect(await hears()).toBe('\0\0\0answer');
    flows[0]?.owner.onOpened();
    expect(await answered()).toBe(`granted ${at.address} ${at.port}`);
  });

  it('drops fragments, what is no message, and what does not come from the first port', async () => {
    const { flows, grant } = await setUp();
    const at = await grant();
    const [first, second] = [await program(), await program()];
    for (const text of ['\0\0', '', '\0\0\u0001fragment', '\0\0\0one']) first.send(text, at);
    await until(() => flows[0]?.sent.length === 1);
    second.send('\0\0\0of another', at);
    first.send('\0\0\0', at);
    await until(() => flows[0]?.sent.length === 2);
    expect(flows[0]?.sent).toEqual(['one', '']);
  });

  // Only Linux has the rest of 127.0.0.0/8 without being told.
  it.skipIf(process.platform !== 'linux')(
    'takes no message from another address than that of its program (needs Linux)',
    async () => {
      const { flows, grant } = await setUp();
      const at = await grant();
      const [stranger, own] = [await program('127.0.0.2'), await program()];
      stranger.send('\0\0\0forged', at);
      own.send('\0\0\0question', at);
      stranger.send('\0\0\0forged again', at);
      own.send('\0\0\0more', at);
      await until(() => flows[0]?.sent.includes('more') === true);
      expect(flows[0]?.sent).toEqual(['question', 'more']);
    },
  );

  it('takes messages from the port that the program announced, and sends there at once', async () => {
    const [announced, other] = [await program(), await program()];
    const { flows, grant } = await setUp(announced.port);
    const at = await grant();
    flows[0]?.owner.onMessage(Buffer.from('early'));
    expect(await announced.hears()).toBe('\0\0\0early');
    other.send('\0\0\0no', at);
    announced.send('\0\0\0yes', at);
    await until(() => flows[0]?.sent.length === 1);
    expect(flows[0]?.sent).toEqual(['yes']);
  });

  it('opens another flow for the next message when one has ended, without another answer', async () => {
    const { flows, grant, heard, timers } = await setUp();
    const at = await grant();
    const { send } = await program();
    (flows[0] as FakeFlow).isOver = true;
    send('\0\0\0again', at);
    await until(() => flows.length === 2);
    expect([flows[0]?.sent, flows[1]?.sent, timers.pending]).toEqual([[], ['again'], 1]);
    flows[1]?.owner.onOpened();
    send('\0\0\0more', at);
    await until(() => flows[1]?.sent.length === 2);
    expect([flows.length, heard.length]).toEqual([2, 1]);
  });

  it('ends a flow that is idle, in either direction, and stays itself', async () => {
    const { flows, grant, ends, timers } = await setUp();
    const at = await grant();
    const { send } = await program();
    timers.advance(FLOW_IDLE_MS - 1);
    send('\0\0\0one', at);
    await until(() => flows[0]?.sent.length === 1);
    timers.advance(FLOW_IDLE_MS - 1);
    flows[0]?.owner.onMessage(Buffer.from('answer'));
    timers.advance(FLOW_IDLE_MS - 1);
    expect(flows[0]?.isOver).toBe(false);
    timers.advance(1);
    expect([flows[0]?.isOver, ends()]).toEqual([true, 0]);
  });

  it('that cannot be opened is answered with the failure, and closed', async () => {
    const { flows, answered, ours, theirs, ends, timers } = await setUp();
    flows[0]?.owner.onFailed('not-allowed');
    flows[0]?.owner.onFailed('internal-error');
    expect(await answered()).toBe('not-allowed');
    expect([ends(), flows[0]?.isOver, ours.destroyed]).toEqual([1, true, false]);
    const closed = once(theirs, 'close');
    timers.advance(PROXY_LINGER_MS);
    theirs.on('error', () => undefined).end();
    await closed;
    await until(() => timers.pending === 0);
    expect(ends()).toBe(1);
  });

  it('that fails later is reset, so that the program notices', async () => {
    const { flows, grant, theirs, ends, timers } = await setUp();
    await grant();
    const ending = howItEnds(theirs);
    flows[0]?.owner.onFailed('not-allowed');
    expect(await ending).toBe('ECONNRESET');
    expect([ends(), flows[0]?.isOver, timers.pending]).toEqual([1, true, 0]);
  });

  it.each([
    ['ends', (theirs: { end(): void; resetAndDestroy(): void }) => theirs.end()],
    ['resets', (theirs: { end(): void; resetAndDestroy(): void }) => theirs.resetAndDestroy()],
  ])('is over when the program %s its connection, with its flow and its port', async (_how, end) => {
    const { flows, grant, theirs, ends, timers } = await setUp();
    const at = await grant();
    end(theirs);
    await until(() => ends() === 1);
    expect([flows[0]?.isOver, timers.pending]).toEqual([true, 0]);
    // Its port is free again.
    const taken = await bindFlowSocket(at, { onMessage: () => undefined });
    taken.close();
    flows[0]?.owner.onMessage(Buffer.from('late'));
    flows[0]?.owner.onFailed('not-allowed');
    expect(ends()).toBe(1);
  });

  it('is over before it opens a flow if the program has gone meanwhile', async () => {
    const { ours, theirs } = await socketPair();
    const timers = new FakeTimers();
    let ends = 0;
    let opened = 0;
    const association = new UdpAssociation({
      socket: ours,
      request: {
        command: 'associate',
        fromPort: 0,
        granted: () => new Uint8Array(0),
        refusal: () => new Uint8Array(0),
      },
      openFlow: () => {
        opened++;
        return undefined;
      },
      timers,
      now: timers.now,
      onEnd: () => ends++,
    });
    const started = association.start();
    ours.destroy();
    ours.emit('close'); // the system is still opening the port
    await started;
    expect([opened, ends, timers.pending]).toEqual([0, 1, 0]);
    theirs.destroy();
  });
});
