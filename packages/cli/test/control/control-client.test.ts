/** A question to a process that does not answer, answers too late, or answers nonsense. */
import { getEventListeners, once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import path from 'node:path';
import { Readable } from 'node:stream';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { CliError } from '../../src/cli-error.js';
import { askControl, NobodyListens, openControl, readAnswer } from '../../src/control/control-client.js';
import { CONTROL_ANSWER_TIMEOUT_MS, MAX_CONTROL_ANSWER_BYTES } from '../../src/control/control-limits.js';
import { ExitCode } from '../../src/exit-code.js';
import { useFakeTimers } from '../fake-timers.js';
import { temporaryDirectory } from '../temporary-directory.js';

let socket = '';
beforeEach(() => {
  socket = path.join(temporaryDirectory(), 'test.sock');
});

interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** A process that passes each request to the test. @returns the next request */
async function listening(): Promise<() => Promise<Asked>> {
  const server = createServer();
  server.listen(socket);
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return async () => {
    const [request, response] = (await once(server, 'request')) as [IncomingMessage, ServerResponse];
    return { request, response };
  };
}

/** The outcome of a promise, once it has one. */
function outcomeOf(promise: Promise<unknown>): { value?: unknown; error?: unknown } {
  const outcome: { value?: unknown; error?: unknown } = {};
  promise.then(
    (value) => Object.assign(outcome, { value }),
    (error: unknown) => Object.assign(outcome, { error }),
  );
  return outcome;
}

describe('a request to a control socket', () => {
  it('leaves no timer behind, so that the program can end', async () => {
    const pendingTimers = useFakeTimers();
    await expect(openControl({ socket, method: 'GET', path: '/status' })).rejects.toThrow(
      `nobody answers at ${socket}`,
    );
    expect(pendingTimers(CONTROL_ANSWER_TIMEOUT_MS)).toBe(0);
    const asked = await listening();
    const opening = openControl({ socket, method: 'GET', path: '/events' });
    (await asked()).response.flushHeaders();
    const answer = await opening;
    expect(pendingTimers(CONTROL_ANSWER_TIMEOUT_MS)).toBe(0);
    answer.destroy();
  });

  it.each([undefined, 2_500])('waits so long for the first byte of an answer (%s)', async (timeoutMs) => {
    useFakeTimers();
    const limitMs = timeoutMs ?? CONTROL_ANSWER_TIMEOUT_MS;
    const asked = await listening();
    const outcome = outcomeOf(
      openControl({ socket, method: 'GET', path: '/events', ...(timeoutMs && { timeoutMs }) }),
    );
    const { request } = await asked();
    const closed = once(request.socket, 'close');
    await vi.advanceTimersByTimeAsync(limitMs - 1);
    expect(outcome).toEqual({});
    await vi.advanceTimersByTimeAsync(1);
    expect(outcome.error).toMatchObject({
      message: `the process at ${socket} did not answer within ${limitMs / 1000} s`,
      hint: 'it may be stopped or very busy',
      exitCode: ExitCode.failure,
    });
    await closed; // so that the other process does not go on for nobody
  });

  it.each(['behind its first bytes', 'as it begins'])(
    'gives the whole of an answer no more time than its beginning (time is up %s)',
    async (when) => {
      const stop = new AbortController();
      const timeout = vi.spyOn(AbortSignal, 'timeout').mockReturnValue(stop.signal);
      onTestFinished(() => timeout.mockRestore());
      const asked = await listening();
      const outcome = outcomeOf(askControl({ socket, method: 'GET', path: '/status', timeoutMs: 1_500 }));
      const { request, response } = await asked();
      const closed = once(request.socket, 'close');
      if (when === 'as it begins') stop.abort();
      response.write('{"half":');
      if (when !== 'as it begins')
        await vi.waitUntil(() => getEventListeners(stop.signal, 'abort').length > 0);
      stop.abort();
      await closed;
      await vi.waitUntil(() => 'error' in outcome);
      expect(timeout.mock.calls).toEqual([[1_500]]);
      expect(outcome.error).toMatchObject({
        message: `the process at ${socket} did not answer within 1.5 s`,
        cause: expect.any(Error),
      });
    },
  );

  it('says that it is JSON if it has a body, and has none otherwise', async () => {
    const asked = await listening();
    for (const [body, type, text] of [
      [undefined, undefined, ''],
      [{ a: 1 }, 'application/json', '{"a":1}'],
    ] as const) {
      const asking = askControl({ socket, method: 'POST', path: '/x?y=1', ...(body && { body }) });
      const { request, response } = await asked();
      expect([request.method, request.url, request.headers['content-type']]).toEqual([
        'POST',
        '/x?y=1',
        type,
      ]);
      let received = '';
      for await (const chunk of request) received += String(chunk);
      expect(received).toBe(text);
      response.end('{"fine":true}');
      expect(await asking).toEqual({ fine: true });
    }
  });
});

describe('the answer of a control socket', () => {
  /** The outcome of a question that is answered so. */
  async function answered(status: number, text: string): Promise<unknown> {
    const asked = await listening();
    const asking = askControl({ socket, method: 'GET', path: '/status' });
    const { response } = await asked();
    response.writeHead(status).end(text);
    return asking;
  }
  const MAY_HAVE_ENDED = 'it may have just ended, or run another version of underpass';

  it.each<[number, string, string]>([
    [200, '{"half":', 'its answer is not JSON'],
    [404, '{}', 'it answered with status 404'],
    [404, 'null', 'it answered with status 404'],
    [500, '{"lines":"one"}', 'it answered with status 500'],
  ])('with status %s and the text %s is of no use', async (status, text, reason) => {
    await expect(answered(status, text)).rejects.toMatchObject({
      message: `cannot ask the process at ${socket} (${reason})`,
      hint: MAY_HAVE_ENDED,
      exitCode: ExitCode.failure,
    });
  });

  it('that breaks off is a failure of the other process, whether it has begun or not', async () => {
    const asked = await listening();
    for (const begins of [false, true]) {
      const asking = askControl({ socket, method: 'GET', path: '/status' });
      const { request, response } = await asked();
      if (begins) response.write('{"half":', () => request.socket.destroy());
      else request.socket.destroy();
      await expect(asking).rejects.toMatchObject({
        message: `cannot ask the process at ${socket} (ECONNRESET)`,
        hint: MAY_HAVE_ENDED,
        exitCode: ExitCode.failure,
        cause: { code: 'ECONNRESET' },
      });
    }
  });

  it('may arrive in pieces, even of one byte', async () => {
    const bytes = [...Buffer.from('{"name":"zwölf"}')].map((byte) => Buffer.of(byte));
    const answer = Object.assign(Readable.from(bytes), { statusCode: 200 });
    expect(await readAnswer(answer as unknown as IncomingMessage, socket)).toEqual({ name: 'zwölf' });
  });

  it('that is not JSON keeps the reason for whoever debugs it', async () => {
    await expect(answered(200, '{"half":')).rejects.toMatchObject({ cause: expect.any(SyntaxError) });
  });

  it('says what is wrong in lines, without the name of the program twice', async () => {
    const lines = ['underpass: one', 'two of underpass: 2', 3];
    await expect(answered(400, JSON.stringify({ lines }))).rejects.toMatchObject({
      message: 'one\ntwo of underpass: 2\n3',
      hint: '',
    });
  });

  it('may have a number of bytes, and no more', async () => {
    const mebibyte = Buffer.alloc(1024 * 1024, '!');
    const chunks = Array.from({ length: MAX_CONTROL_ANSWER_BYTES / mebibyte.length }, () => mebibyte);
    const outcome = (...more: Buffer[]) => {
      const answer = Object.assign(Readable.from([...chunks, ...more]), { statusCode: 200 });
      return readAnswer(answer as unknown as IncomingMessage, socket);
    };
    const concat = vi.spyOn(Buffer, 'concat').mockReturnValue(Buffer.from('"all of it"')); // saves the copy
    onTestFinished(() => concat.mockRestore());
    expect(await outcome()).toBe('all of it');
    expect(concat.mock.lastCall?.[0]).toHaveLength(chunks.length);
    await expect(outcome(Buffer.alloc(1))).rejects.toThrow(
      `cannot ask the process at ${socket} (its answer is too long)`,
    );
  });
});

describe('a socket at which nothing can be asked', () => {
  it.each<[string, () => void]>([
    ['is not there', () => undefined],
    ['is a file', () => writeFileSync(socket, '')],
  ])('has nobody who listens if it %s', async (_, make) => {
    make();
    const asking = askControl({ socket, method: 'GET', path: '/status' });
    await expect(asking).rejects.toBeInstanceOf(NobodyListens);
    await expect(asking).rejects.toMatchObject({
      cause: { code: expect.stringMatching(/ENOENT|ECONNREFUSED/) },
    });
  });

  it('is a failure for any other reason, which is said', async () => {
    const file = path.join(temporaryDirectory(), 'file');
    writeFileSync(file, '');
    const asking = askControl({ socket: path.join(file, 'x.sock'), method: 'GET', path: '/status' });
    await expect(asking).rejects.toBeInstanceOf(CliError);
    await expect(asking).rejects.not.toBeInstanceOf(NobodyListens);
    await expect(asking).rejects.toMatchObject({
      message: `cannot ask the process at ${path.join(file, 'x.sock')} (ENOTDIR)`,
      cause: { code: 'ENOTDIR' },
    });
  });
});
