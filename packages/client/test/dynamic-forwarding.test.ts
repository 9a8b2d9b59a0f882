import { once } from 'node:events';
import { connect } from 'node:net';
import { formatTarget, PROXY_REQUEST_TIMEOUT_MS, parseDynamicForward } from '@underpass/forward';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Carrier } from '../src/carrier.js';
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
  const emit = (): void => undefined;
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
  return { timers, program, until };
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
});
