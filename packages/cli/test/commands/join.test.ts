/** A client whose forwards another process runs. The other process is a control socket that says what a test has it say. */
import { parseLocalForwards } from '@underpass/forward';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { CliError } from '../../src/cli-error.js';
import { joinClient } from '../../src/commands/join.js';
import type { ControlExchange } from '../../src/control/control-server.js';
import { startControlServer } from '../../src/control/control-server.js';
import type { JoinedLine } from '../../src/control/joined-forwards.js';
import { ExitCode } from '../../src/exit-code.js';
import type { StopSignal } from '../../src/stop-signal.js';
import { nobodyRuns } from './a-relay.js';
import { recordingLog } from './recording-log.js';

const FORWARDS = ['8080:db:1', '8081:db:2'].flatMap((text) => {
  const parsed = parseLocalForwards(text);
  if ('reason' in parsed) throw new Error(parsed.reason);
  return parsed;
});
const NEVER = new Promise<StopSignal>(() => undefined);
const place = { address: '127.0.0.1', port: 8080 };
const listening = (text: string): JoinedLine => ({
  type: 'listening',
  kind: 'local',
  text,
  addresses: [place],
});

let asked: unknown[] = [];
beforeEach(() => {
  nobodyRuns();
  asked = [];
});

/** Starts the other process. @returns its socket, and how it sends lines and ends */
async function otherClient(answer: (exchange: ControlExchange) => void | Promise<void>) {
  const server = await startControlServer('client-0.sock', {
    'POST /forwards': async (body, exchange) => {
      asked.push(body);
      await answer(exchange);
      return undefined;
    },
  });
  onTestFinished(() => server.close());
  return server;
}

describe('a client that joins another', () => {
  it('logs what the other one reports, and says when it has ended', async () => {
    const { file } = await otherClient((exchange) => {
      exchange.send({ ...listening('8080:db:1') });
      exchange.send({ type: 'running', kind: 'local', text: '8081:db:2' });
      exchange.send({ type: 'joined', pid: 7 });
      exchange.send({ type: 'event', event: { type: 'resumed', silentMs: 5000 } });
      exchange.end();
    });
    const log = recordingLog();
    expect(await joinClient(file, FORWARDS, log, NEVER)).toEqual({ kind: 'left' });
    expect(asked).toEqual([{ forwards: FORWARDS.map(({ kind, text }) => ({ kind, text })) }]);
    expect(log.lines).toEqual([
      'info listening on 127.0.0.1:8080 for db:1',
      'info 8081:db:2 is running already',
      'info joined the running client (process 7)',
      'info the relay answers again after 5.0 s',
      'warn the client that carried the forwards has ended: its connections are lost; starting a new one',
    ]);
    expect(log.fields).toMatchObject([
      { event: 'listening' },
      { event: 'running', forward: '8081:db:2' },
      { event: 'joined', pid: 7 },
      { event: 'resumed' },
      { event: 'left' },
    ]);
  });

  it('tells a forward from one of another kind with the same text', async () => {
    const { file } = await otherClient((exchange) => {
      exchange.send({ ...listening('53:dns:53'), kind: 'udp' });
      exchange.end();
    });
    const log = recordingLog();
    const place = { bind: { kind: 'loopback' }, port: 53 } as const;
    const local = { kind: 'local', text: '53:dns:53', place, target: { host: 'dns', port: 53 } } as const;
    const udp = { ...local, kind: 'udp', target: { ...local.target, protocol: 'udp' } } as const;
    await joinClient(file, [local, udp], log, NEVER);
    expect(log.fields[0]).toMatchObject({ event: 'listening', kind: 'udp', target: 'dns:53/udp' });
  });

  it('is a mistake if all forwards are running already', async () => {
    const { file } = await otherClient((exchange) => {
      for (const { text } of FORWARDS) exchange.send({ type: 'running', kind: 'local', text });
      exchange.send({ type: 'joined', pid: 7 });
    });
    await expect(joinClient(file, FORWARDS, recordingLog(), NEVER)).rejects.toMatchObject({
      exitCode: ExitCode.failure,
      message: 'this client is running already (process 7), with all of these forwards',
      hint: 'underpass status shows it',
    });
  });

  it('ends when it is stopped, and lets go of the other one', async () => {
    let isLetGo: () => void;
    const letGo = new Promise<void>((resolve) => {
      isLetGo = resolve;
    });
    const { file } = await otherClient((exchange) => {
      exchange.signal.addEventListener('abort', () => isLetGo());
      exchange.send({ type: 'joined', pid: 7 });
    });
    const stop = Promise.resolve<StopSignal>('SIGTERM');
    expect(await joinClient(file, FORWARDS, recordingLog(), stop)).toEqual({
      kind: 'stopped',
      signal: 'SIGTERM',
    });
    await letGo;
  });

  it('fails with what the other one says is wrong', async () => {
    const { file } = await otherClient(() => {
      throw new CliError(ExitCode.failure, 'port 8080 is in use');
    });
    await expect(joinClient(file, FORWARDS, recordingLog(), NEVER)).rejects.toThrow('port 8080 is in use');
  });

  it('may find that nobody answers any more', async () => {
    const { file, close } = await otherClient(() => undefined);
    close();
    const outcome = await joinClient(file, FORWARDS, recordingLog(), NEVER);
    expect(outcome).toMatchObject({ kind: 'unreachable', error: expect.any(CliError) });
  });
});
