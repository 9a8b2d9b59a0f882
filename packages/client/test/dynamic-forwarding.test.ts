import { once } from 'node:events';
import { connect } from 'node:net';
import { formatTarget, PROXY_REQUEST_TIMEOUT_MS, parseDynamicForward } from '@underpass/forward';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Carrier } from '../src/carrier.js';
import type { ClientEvent } from '../src/client-options.js';
import { DynamicForwarding } from '../src/dynamic-forwarding.js';
import { FakeTimers } from './fake-timers.js';

async function run() {
  const spec = parseDynamicForward('127.0.0.1:0');
  if ('reason' in spec) throw new Error(spec.reason);
  const timers = new FakeTimers();
  const heard: string[] = [];
  let wake = (): void => undefined;
  const carrier = {
    admit: () => {
      heard.push('admitted');
      wake();
      return true;
    },
    carry: (end, target) => {
      heard.push(formatTarget(target));
      onTestFinished(() => void end.socket.destroy());
      wake();
    },
  } satisfies Pick<Carrier, 'admit' | 'carry'>;
  const refused: string[] = [];
  const emit = (event: ClientEvent): void => {
    if (event.type === 'proxy-refused') refused.push(event.reason);
  };
  const forwarding = new DynamicForwarding(spec, { carrier: carrier as unknown as Carrier, emit, timers });
  const bound = await forwarding.start();
  onTestFinished(() => forwarding.close());
  const until = async (event: string): Promise<void> => {
    while (!heard.includes(event)) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  const program = connect({ port: bound.addresses[0]?.port ?? 0, host: '127.0.0.1' });
  onTestFinished(() => void program.destroy());
  return { timers, program, until, forwarding, refused, port: bound.addresses[0]?.port ?? 0 };
}

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

  it('hears why it is refused, which is reported', async () => {
    const { program, until, refused } = await run();
    await until('admitted');
    program.write('GET / HTTP/1.1\r\n\r\n');
    const [answer] = (await once(program, 'data')) as [Buffer];
    expect(String(answer)).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(refused).toHaveLength(1);
  });
});
