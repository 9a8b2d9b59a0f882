/** The entry of a relay's worker process: what it is made of. What a worker does is tested where that is. */
import type { SocketConstructorOpts } from 'node:net';
import { type runWorker, WORKER_PIPE_FD } from '@underpass/relay';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { endWithInternalError } from '../src/commands/internal-error.js';

type WorkerOptions = Parameters<typeof runWorker>[0];
type Pipe = SocketConstructorOpts & {
  readonly onread: { readonly buffer: Uint8Array; readonly callback: (length: number) => boolean };
};

const stage = vi.hoisted(() => ({
  calls: [] as string[],
  pipe: undefined as unknown,
  options: undefined as unknown,
  hasPipe: true,
}));

vi.mock('node:net', async (original) => {
  const { EventEmitter } = await import('node:events');
  return {
    ...(await original<object>()),
    Socket: class extends EventEmitter {
      constructor(options: unknown) {
        super();
        if (!stage.hasPipe) throw new Error('EBADF');
        stage.pipe = options;
      }
    },
  };
});
vi.mock('@underpass/relay', async (original) => ({
  ...(await original<object>()),
  runWorker: (options: unknown) => {
    stage.calls.push('run');
    stage.options = options;
  },
}));
vi.mock('../src/collect-garbage.js', () => ({
  collectGarbageOfStart: () => stage.calls.push('collect garbage'),
}));
vi.mock('../src/v8-flags.js', () => ({
  prepareToStart: () => stage.calls.push('prepare to start'),
  prepareForTraffic: () => stage.calls.push('prepare for traffic'),
}));
vi.mock('../src/control/control-directory.js', () => ({ controlSockets: () => ['/run/control.sock'] }));
vi.mock('../src/terminal.js', () => ({
  printErrorLine: (line: string) => stage.calls.push(line),
  tolerateFailingOutput: () => stage.calls.push('tolerate failing output'),
}));

beforeEach(() => {
  Object.assign(stage, { calls: [], pipe: undefined, options: undefined, hasPipe: true });
  vi.resetModules();
});

/** Loads the entry. @returns what it has this process listen to, and how it ends it */
async function load() {
  const listeners = new Map<string, unknown>();
  const exits: unknown[] = [];
  const on = vi.spyOn(process, 'on').mockImplementation((event: string | symbol, listener: unknown) => {
    listeners.set(String(event), listener);
    return process;
  });
  const exit = vi.spyOn(process, 'exit').mockImplementation((code) => {
    exits.push(code);
    throw new Error('the process has ended');
  });
  onTestFinished(() => {
    on.mockRestore();
    exit.mockRestore();
  });
  const loaded = await import('../src/relay-worker.js').catch((error: unknown) => error);
  return { loaded, listeners, exits, options: stage.options as WorkerOptions, pipe: stage.pipe as Pipe };
}

describe('the entry of a worker', () => {
  it('starts it, and prepares for traffic when it serves', async () => {
    const { options } = await load();
    expect(stage.calls).toEqual(['tolerate failing output', 'prepare to start', 'run']);
    options.onStarted?.();
    expect(stage.calls.slice(3)).toEqual(['collect garbage', 'prepare for traffic']);
    expect(options.ownSockets?.()).toEqual(['/run/control.sock']);
  });

  it('leaves signals to the main process, ends with it, and reports bugs as the program does', async () => {
    const { listeners, options, exits } = await load();
    const { endWithInternalError: end } = await import('../src/commands/internal-error.js');
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
      expect((listeners.get(signal) as () => unknown)()).toBeUndefined();
    }
    expect(exits).toEqual([]);
    for (const bug of ['uncaughtException', 'unhandledRejection']) expect(listeners.get(bug)).toBe(end);
    expect(options.onFatal).toBe(end);
    expect(end.name).toBe(endWithInternalError.name);
    expect(() => options.onEnd()).toThrow('the process has ended');
    expect(exits).toEqual([undefined]);
  });

  it('reads keys from its pipe into memory of its own, which whoever reads can wipe', async () => {
    const { options, pipe } = await load();
    expect(pipe).toMatchObject({ fd: WORKER_PIPE_FD, readable: true, writable: true });
    const { buffer, callback } = pipe.onread;
    buffer.set([1, 2, 3, 4]);
    const chunks: Buffer[] = [];
    options.pipe.on('data', (chunk: Buffer) => {
      chunks.push(Buffer.from(chunk));
      chunk.fill(0);
    });
    expect(callback(3)).toBe(true); // go on reading
    expect(chunks).toEqual([Buffer.from([1, 2, 3])]);
    expect([...buffer.subarray(0, 4)]).toEqual([0, 0, 0, 4]);
  });

  it('says that it is no command to whoever starts it without a pipe', async () => {
    stage.hasPipe = false;
    const { exits } = await load();
    expect(stage.calls.at(-1)).toMatch(/relay-worker is a part of underpass relay, and not a command$/);
    expect([exits, stage.options]).toEqual([[2], undefined]);
  });
});
