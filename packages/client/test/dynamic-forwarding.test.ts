import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Duplex } from 'node:stream';
import {
  ANY_UDP_TARGET,
  formatTarget,
  type LocalEnd,
  MAX_FLOWS_PER_FORWARD,
  MAX_PROXY_DIALOGUES,
  PROXY_REQUEST_TIMEOUT_MS,
  parseDynamicForward,
} from '@underpass/forward';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Carrier, FlowOptions } from '../src/carrier.js';
import type { ClientEvent } from '../src/client-options.js';
import { DynamicForwarding } from '../src/dynamic-forwarding.js';
import { FakeTimers } from './fake-timers.js';

const GREETING = [5, 1, 0];
const ASSOCIATE = [5, 3, 0, 1, 0, 0, 0, 0, 0, 0];

class FakeProgram extends Duplex {
  readonly remoteAddress = '127.0.0.1';
  readonly localAddress = '127.0.0.1';
  readonly remotePort = 4711;
  readonly heard: Buffer[] = [];
  isReset = false;

  resetAndDestroy(): void {
    this.isReset = true;
    this.destroy();
  }
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.heard.push(chunk);
    done();
  }
}

/** A forward whose programs are made here, so that there can be many. */
async function runWithoutPort() {
  let onConnection: (socket: Socket) => void = () => undefined;
  const parts = await run('127.0.0.1:1', async (_place, given) => {
    onConnection = given;
    return { addresses: [], close: () => undefined };
  });
  const accept = (): FakeProgram => {
    const program = new FakeProgram();
    onConnection(program as unknown as Socket);
    return program;
  };
  return { ...parts, accept };
}

async function run(place = '127.0.0.1:0', listen?: ConstructorParameters<typeof DynamicForwarding>[2]) {
  const spec = parseDynamicForward(place);
  if ('reason' in spec) throw new Error(spec.reason);
  const timers = new FakeTimers();
  const heard: string[] = [];
  let wake = (): void => undefined;
  const state = { admits: true };
  const ends: LocalEnd[] = [];
  const names: string[] = [];
  const flows: FlowOptions[] = [];
  const sent: Buffer[] = [];
  const admitted: Socket[] = [];
  const carrier = {
    admit: (socket) => {
      heard.push('admitted');
      admitted.push(socket);
      onTestFinished(() => void socket.destroy());
      wake();
      return state.admits;
    },
    carry: (end, target, nameOf) => {
      heard.push(formatTarget(target));
      ends.push(end);
      names.push(nameOf());
      onTestFinished(() => void end.socket.destroy());
      wake();
    },
    openFlow: (options) => {
      flows.push(options);
      heard.push('flow');
      wake();
      return {
        isOver: false,
        end: () => {
          heard.push('flow ended');
          wake();
        },
        send: (message: Uint8Array) => void sent.push(Buffer.from(message)),
      } as never;
    },
  } satisfies Pick<Carrier, 'admit' | 'carry' | 'openFlow'>;
  const refused: string[] = [];
  const refusedFrom: string[] = [];
  const emit = (event: ClientEvent): void => {
    if (event.type !== 'proxy-refused') return;
    refused.push(event.reason);
    refusedFrom.push(event.from);
  };
  const forwarding = new DynamicForwarding(
    spec,
    { carrier: carrier as unknown as Carrier, emit, timers },
    listen,
  );
  const bound = await forwarding.start();
  onTestFinished(() => forwarding.close());
  const until = async (event: string): Promise<void> => {
    while (!heard.includes(event)) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  const port = bound.addresses[0]?.port ?? 0;
  const connectOne = (): Socket => {
    const program = connect(bound.path === undefined ? { port, host: '127.0.0.1' } : { path: bound.path });
    onTestFinished(() => void program.destroy());
    return program;
  };
  /** Asks for an association, and resolves with the answer behind that to the greeting. */
  const associate = async (): Promise<{
    readonly program: Socket;
    readonly answer: () => Promise<number[]>;
  }> => {
    const program = connectOne();
    const heardBytes: number[] = [];
    program.on('data', (bytes: Buffer) => heardBytes.push(...bytes));
    program.on('error', () => undefined);
    program.write(Uint8Array.from([...GREETING, ...ASSOCIATE]));
    const answer = async (): Promise<number[]> => {
      while (heardBytes.length < 4) await new Promise(setImmediate);
      return heardBytes.slice(2);
    };
    return { program, answer };
  };
  const count = (event: string): number => heard.filter((one) => one === event).length;
  return {
    timers,
    program: listen === undefined ? connectOne() : new Socket(),
    until,
    forwarding,
    refused,
    refusedFrom,
    port,
    connectOne,
    associate,
    count,
    state,
    ends,
    names,
    flows,
    sent,
    admitted,
  };
}

const untilMet = async (isMet: () => boolean): Promise<void> => {
  while (!isMet()) await new Promise(setImmediate);
};

describe('a program that connects to a dynamic forward', () => {
  it('is reset when it does not ask in time (spec proxy 8: "MUST be complete within 10 s")', async () => {
    const { timers, program, until } = await run();
    await until('admitted');
    const failed = once(program, 'error');
    await timers.runTo(PROXY_REQUEST_TIMEOUT_MS);
    expect(((await failed)[0] as NodeJS.ErrnoException).code).toBe('ECONNRESET');
  });

  it('is carried once it has asked, and then has time', async () => {
    const { timers, program, until } = await run();
    program.write('CONNECT example.com:443 HTTP/1.1\r\n\r\n');
    await until('example.com:443');
    expect(timers.pending).toBe(0);
  });

  it('is reset when the forward ends before it has asked, and nobody can connect any more', async () => {
    const { timers, program, until, forwarding, port } = await run();
    await until('admitted');
    const failed = once(program, 'error');
    forwarding.close();
    expect(((await failed)[0] as NodeJS.ErrnoException).code).toBe('ECONNRESET');
    const [error] = (await once(connect(port, '127.0.0.1'), 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNREFUSED');
    while (timers.pending > 0) await new Promise(setImmediate);
  });

  it('may reset its connection before it has asked, and leaves nothing behind', async () => {
    const { accept, timers } = await runWithoutPort();
    const program = accept();
    program.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
    await untilMet(() => timers.pending === 0);
    expect([program.closed, program.errored]).toEqual([true, expect.any(Error)]);
  });

  it('is answered step by step, and reset when it ends before it has asked', async () => {
    const { timers, program, until } = await run();
    await until('admitted');
    program.write(Buffer.from([5, 1, 0]));
    const [greeting] = (await once(program, 'data')) as [Buffer];
    expect([...greeting]).toEqual([5, 0]);
    expect(timers.pending).toBe(1);
    const failed = once(program, 'error');
    program.end();
    expect(((await failed)[0] as NodeJS.ErrnoException).code).toBe('ECONNRESET');
    while (timers.pending > 0) await new Promise(setImmediate);
  });

  it('that the carrier does not admit is not asked', async () => {
    const { connectOne, state, admitted, timers } = await run();
    await untilMet(() => admitted.length === 1);
    state.admits = false;
    connectOne();
    await untilMet(() => admitted.length === 2);
    expect(timers.pending).toBe(1);
    expect(admitted[1]?.listenerCount('data')).toBe(0);
  });

  // spec proxy 7
  it('has what follows its request kept for the target, and is called by its address', async () => {
    const { program, until, ends, names } = await run();
    program.write('CONNECT example.com:443 HTTP/1.1\r\n\r\nand the first bytes');
    await until('example.com:443');
    const { socket } = ends[0] as LocalEnd;
    expect(socket.isPaused()).toBe(true);
    expect(['data', 'end', 'close'].map((event) => socket.listenerCount(event))).toEqual([0, 1, 0]);
    expect(String(socket.read())).toBe('and the first bytes');
    expect(names).toEqual([`127.0.0.1 port ${program.localPort}`]);
  });

  it('is answered with the advice for its target when it is given up', async () => {
    const { program, until, ends } = await run();
    program.write('CONNECT example.com:443 HTTP/1.1\r\n\r\n');
    await until('example.com:443');
    ends[0]?.giveUp();
    const [answer] = (await once(program, 'data')) as [Buffer];
    expect(String(answer)).toMatch(/^HTTP\/1\.1 504 [\s\S]*underpass: .*relay/);
  });

  it('is reset if it speaks another protocol, which is reported with its address', async () => {
    const { program, until, refused, refusedFrom, timers } = await run();
    await until('admitted');
    const failed = once(program, 'error');
    program.write(Uint8Array.of(0x16, 3, 1));
    expect(((await failed)[0] as NodeJS.ErrnoException).code).toBe('ECONNRESET');
    expect(refused).toEqual([expect.stringContaining('TLS')]);
    expect([refusedFrom, timers.pending]).toEqual([[expect.stringMatching(/^127\.0\.0\.1 port \d+$/)], 0]);
  });

  // spec proxy 8
  it('is reset while too many others have not asked yet', async () => {
    const { accept, timers, count } = await runWithoutPort();
    const all = Array.from({ length: MAX_PROXY_DIALOGUES }, () => accept());
    expect([timers.pending, all.some(({ isReset }) => isReset)]).toEqual([MAX_PROXY_DIALOGUES, false]);
    expect([accept().isReset, timers.pending]).toEqual([true, MAX_PROXY_DIALOGUES]);
    // One that has gone, and one that has asked, leave their places.
    all[0]?.destroy();
    all[1]?.push('CONNECT example.com:443 HTTP/1.1\r\n\r\n');
    await untilMet(() => timers.pending === MAX_PROXY_DIALOGUES - 2);
    expect([accept().isReset, accept().isReset, accept().isReset]).toEqual([false, false, true]);
    expect(count('example.com:443')).toBe(1);
  });

  it('hears why it is refused, which is reported', async () => {
    const { program, until, refused } = await run();
    await until('admitted');
    program.write('GET / HTTP/1.1\r\n\r\n');
    const [answer] = (await once(program, 'data')) as [Buffer];
    expect(String(answer)).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(refused).toHaveLength(1);
  });

  it('hears it once, whatever it still sends, and leaves its place to another', async () => {
    const { accept, timers, refused } = await runWithoutPort();
    const [program] = Array.from({ length: MAX_PROXY_DIALOGUES }, () => accept());
    program?.push('GET / HTTP/1.1\r\n\r\n');
    await untilMet(() => program?.writableFinished === true);
    expect(accept().isReset).toBe(false);
    program?.push('GET / HTTP/1.1\r\n\r\n');
    await new Promise(setImmediate);
    expect([program?.heard.length, refused.length]).toEqual([1, 1]);
    await timers.runTo(PROXY_REQUEST_TIMEOUT_MS);
  });
});

// spec proxy 9
describe('an association of a dynamic forward', () => {
  it('opens a flow without a fixed target, in the name of its program', async () => {
    const { associate, until, flows } = await run();
    const { program, answer } = await associate();
    await until('flow');
    expect(flows[0]).toMatchObject({
      request: { kind: 'udp-socket' },
      from: `127.0.0.1 port ${program.localPort}`,
      target: ANY_UDP_TARGET,
    });
    flows[0]?.onOpened?.();
    expect((await answer()).slice(0, 4)).toEqual([5, 0, 0, 1]);
  });

  it('passes messages on between its program and its flow', async () => {
    const { associate, until, flows, sent } = await run();
    const { answer } = await associate();
    await until('flow');
    flows[0]?.onOpened?.();
    const reply = await answer();
    const port = (reply[8] as number) * 256 + (reply[9] as number);
    const program = createSocket('udp4');
    onTestFinished(() => void program.close());
    const destination = [1, 192, 0, 2, 7, 0, 53];
    program.send(Buffer.from([0, 0, 0, ...destination, ...Buffer.from('question')]), port, '127.0.0.1');
    await untilMet(() => sent.length === 1);
    expect(String(sent[0])).toContain('question');
    const answered = once(program, 'message');
    // The source in a flow's message is written as the destination was.
    flows[0]?.onMessage(Buffer.concat([(sent[0] as Buffer).subarray(0, -8), Buffer.from('answer')]));
    expect((await answered)[0]).toEqual(Buffer.from([0, 0, 0, ...destination, ...Buffer.from('answer')]));
  });

  it('that fails is answered', async () => {
    const { associate, until, flows } = await run();
    const { answer } = await associate();
    await until('flow');
    flows[0]?.onFailed?.('not-allowed');
    expect((await answer()).slice(0, 2)).toEqual([5, 2]);
  });

  it('beyond the limit is refused, and one that ends makes room', async () => {
    const { accept, count, refused } = await runWithoutPort();
    const ask = (): FakeProgram => {
      const program = accept();
      program.push(Uint8Array.from([...GREETING, ...ASSOCIATE]));
      return program;
    };
    const all = Array.from({ length: MAX_FLOWS_PER_FORWARD }, ask);
    await untilMet(() => count('flow') === MAX_FLOWS_PER_FORWARD);
    const further = ask();
    await untilMet(() => further.heard.length > 1);
    expect(further.heard[1]?.subarray(0, 2)).toEqual(Buffer.of(5, 1));
    expect(refused).toEqual(['more UDP associations than there may be']);
    all[0]?.destroy();
    await untilMet(() => count('flow ended') === 1);
    ask();
    await untilMet(() => count('flow') === MAX_FLOWS_PER_FORWARD + 1);
    expect(refused).toHaveLength(1);
  });

  it('at a unix socket is refused, because that has no address', async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'underpass-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const { associate, refused, refusedFrom, flows } = await run(path.join(directory, 'proxy.sock'));
    const { answer } = await associate();
    expect((await answer()).slice(0, 2)).toEqual([5, 1]);
    expect(refused).toEqual(['UDP at a unix socket, which has no address']);
    expect([refusedFrom, flows.length]).toEqual([[expect.stringContaining('proxy.sock')], 0]);
  });
});
