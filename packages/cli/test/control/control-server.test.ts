import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { usageError } from '../../src/cli-error.js';
import { askControl, NobodyListens, openControl } from '../../src/control/control-client.js';
import {
  MAX_CONTROL_BACKLOG_BYTES,
  MAX_CONTROL_CONNECTIONS,
  MAX_CONTROL_REQUEST_BYTES,
} from '../../src/control/control-limits.js';
import {
  type ControlRoutes,
  type ControlServer,
  ControlSocketInUse,
  startControlServer,
} from '../../src/control/control-server.js';
import { temporaryDirectory } from '../temporary-directory.js';

const NAME = 'relay-0123456789ab.sock';

async function start(
  routes: ControlRoutes = {},
  runtime = temporaryDirectory(),
  requestTimeoutMs?: number,
): Promise<{ readonly server: ControlServer; readonly runtime: string }> {
  const server = await startControlServer(NAME, routes, {
    environment: { XDG_RUNTIME_DIR: runtime },
    ...(requestTimeoutMs !== undefined && { requestTimeoutMs }),
  });
  onTestFinished(() => server.close());
  return { server, runtime };
}

function ask(socket: string, method: 'GET' | 'POST', where: string, body?: unknown): Promise<unknown> {
  return askControl({ socket, method, path: where, ...(body !== undefined && { body }) });
}

/** Sends bytes to the socket and returns the whole answer. */
async function raw(file: string, text: string): Promise<string> {
  const socket = connect(file);
  let answer = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    answer += chunk;
  });
  socket.on('error', () => undefined);
  socket.write(text);
  await once(socket, 'close');
  return answer;
}

/** Leaves a socket behind, as a process that is killed does. */
async function abandonSocket(file: string): Promise<void> {
  const script = `require('net').createServer().listen(${JSON.stringify(file)}, () => process.kill(process.pid, 'SIGKILL'))`;
  await once(spawn(process.execPath, ['-e', script]), 'exit');
  expect(statSync(file).isSocket()).toBe(true);
}

describe('a control socket', () => {
  it('is open to its owner alone, and gone when it is closed', async () => {
    const { server } = await start();
    expect(statSync(server.file).mode & 0o777).toBe(0o600);
    expect(statSync(path.dirname(server.file)).mode & 0o777).toBe(0o700);
    server.close();
    expect(existsSync(server.file)).toBe(false);
    await expect(ask(server.file, 'GET', '/status')).rejects.toBeInstanceOf(NobodyListens);
  });

  it('answers with JSON, and passes on the body of a request', async () => {
    const { server } = await start({
      'GET /status': () => ({ fine: true }),
      'POST /echo': (body) => ({ body }),
    });
    expect(await ask(server.file, 'GET', '/status')).toEqual({ fine: true });
    expect(await ask(server.file, 'POST', '/echo', [1, 'two'])).toEqual({ body: [1, 'two'] });
  });

  it('reports an expected failure in the words of the command line', async () => {
    const routes = {
      'POST /reload': () => {
        throw usageError('this is wrong', 'do that');
      },
    };
    const { server } = await start(routes);
    await expect(ask(server.file, 'POST', '/reload')).rejects.toThrow('this is wrong: do that');
    const answer = await raw(server.file, 'POST /reload HTTP/1.1\r\nhost: x\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 409 /);
    expect(answer).toMatch(/\r\ncontent-type: application\/json\r\n/i);
    expect(answer).toMatch(/\r\nconnection: close\r\n/i);
    const lines = ['underpass: this is wrong: do that'];
    expect(answer).toContain(JSON.stringify({ error: lines[0], lines }));
  });

  it('writes the keys in events as text', async () => {
    const { server } = await start({
      'GET /events': (_body, exchange) => {
        exchange.send({ publicKey: new Uint8Array(32).fill(1) });
        exchange.send(1);
        exchange.end();
        return undefined;
      },
    });
    const answer = await raw(server.file, 'GET /events HTTP/1.1\r\nhost: x\r\n\r\n');
    expect(answer).toMatch(/\r\ncontent-type: application\/jsonl\r\n/i);
    expect(answer).toContain('{"publicKey":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="}\n');
  });

  it('sends an answer line by line, and learns when the caller has gone', async () => {
    let isGone = (): void => undefined;
    const gone = new Promise<void>((resolve) => {
      isGone = resolve;
    });
    const { server } = await start({
      'GET /events': (_body, exchange) => {
        exchange.signal.addEventListener('abort', isGone);
        exchange.send({ line: 1 });
        return undefined;
      },
    });
    const response = await openControl({ socket: server.file, method: 'GET', path: '/events' });
    const [first] = (await once(response, 'data')) as [Buffer];
    expect(String(first)).toBe('{"line":1}\n');
    response.destroy();
    await gone;
  });

  it('breaks off an answer that fails in the middle, so that it does not look whole', async () => {
    let fail: (error: Error) => void = () => undefined;
    const failure = new Promise<never>((_resolve, reject) => {
      fail = reject;
    });
    const { server } = await start({
      'GET /events': (_body, exchange) => {
        exchange.send({ line: 1 });
        return failure;
      },
    });
    const response = await openControl({ socket: server.file, method: 'GET', path: '/events' });
    await once(response, 'data');
    fail(usageError('this is wrong'));
    await expect(once(response, 'end')).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  it('leaves out lines while the caller does not read, each as a whole', async () => {
    const line = { text: 'x'.repeat(10_000) };
    const count = 1000; // ten times what the kernel and the backlog hold
    const { server } = await start({
      'GET /events': (_body, exchange) => {
        for (let i = 0; i < count; i++) exchange.send(line);
        exchange.end();
        return undefined;
      },
    });
    const response = await openControl({ socket: server.file, method: 'GET', path: '/events' });
    const chunks: Buffer[] = [];
    for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
    const lines = String(Buffer.concat(chunks)).trim().split('\n');
    expect(lines.length * 10_000).toBeGreaterThanOrEqual(MAX_CONTROL_BACKLOG_BYTES);
    expect(lines.length).toBeLessThan(count);
    for (const text of lines) expect(JSON.parse(text)).toEqual(line);
  });

  it('cannot have a path that is too long, and says what to do about that', async () => {
    const runtime = path.join(temporaryDirectory(), 'x'.repeat(100));
    mkdirSync(runtime);
    await expect(start({}, runtime)).rejects.toThrow(/^the path of the control socket .* bytes/);
  });

  it('replaces one that a killed process left behind', async () => {
    const runtime = temporaryDirectory();
    const directory = path.join(runtime, 'underpass');
    mkdirSync(directory, { mode: 0o700 });
    await abandonSocket(path.join(directory, NAME));
    const { server } = await start({ 'GET /status': () => 'new' }, runtime);
    expect(await ask(server.file, 'GET', '/status')).toBe('new');
  });

  it('is left alone while its process answers', async () => {
    const { server, runtime } = await start({ 'GET /status': () => 'first' });
    const refused = start({}, runtime);
    await expect(refused).rejects.toBeInstanceOf(ControlSocketInUse);
    await expect(refused).rejects.toMatchObject({
      message: `another process answers at the control socket ${server.file}`,
      hint: 'it was started with the same config or keys: stop one of them',
      file: server.file,
    });
    expect(await ask(server.file, 'GET', '/status')).toBe('first');
  });

  it('has one owner when several processes replace an abandoned one at the same time', async () => {
    const runtime = temporaryDirectory();
    const directory = path.join(runtime, 'underpass');
    mkdirSync(directory, { mode: 0o700 });
    await abandonSocket(path.join(directory, NAME));
    const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => start({}, runtime)));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('never replaces a file', async () => {
    const runtime = temporaryDirectory();
    const directory = path.join(runtime, 'underpass');
    mkdirSync(directory, { mode: 0o700 });
    const file = path.join(directory, NAME);
    writeFileSync(file, 'precious');
    await expect(start({}, runtime)).rejects.toMatchObject({
      message: `${file} is not a socket`,
      hint: `remove ${file}`,
    });
  });
});

describe('a request to a control socket', () => {
  it.each([
    ['GET /nothing HTTP/1.1', 404],
    ['POST /status HTTP/1.1', 405],
    ['GET // HTTP/1.1', 404],
    ['GET http://[ HTTP/1.1', 404],
    ['GET /toString HTTP/1.1', 404],
  ])('%s gets the status %i', async (line, status) => {
    const { server } = await start({ 'GET /other': () => 'never', 'GET /status': () => 'never' });
    expect(await raw(server.file, `${line}\r\nhost: x\r\nconnection: close\r\n\r\n`)).toContain(
      ` ${status} `,
    );
  });

  it('for something else says what there is', async () => {
    const { server } = await start({ 'GET /other': () => 'never', 'GET /status': () => 'never' });
    for (const line of ['POST /status', 'GET /nothing']) {
      const answer = await raw(server.file, `${line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
      expect(JSON.parse(answer.slice(answer.indexOf('{'), answer.lastIndexOf('}') + 1))).toEqual({
        error: `${line} is not supported here`,
        supported: ['GET /other', 'GET /status'],
      });
    }
  });

  it('that is not HTTP is refused', async () => {
    const { server } = await start();
    expect(await raw(server.file, '\0\u0001\u0002nonsense\r\n\r\n')).toContain(' 400 ');
  });

  it('with a head beyond the limit is refused', async () => {
    const { server } = await start();
    expect(await raw(server.file, `GET / HTTP/1.1\r\nx: ${'x'.repeat(10_000)}\r\n\r\n`)).toContain(' 431 ');
  });

  it('with a body at the limit is read, and one byte more is refused', async () => {
    const { server } = await start({ 'POST /echo': (body) => String(body).length });
    const text = 'x'.repeat(MAX_CONTROL_REQUEST_BYTES - 2);
    expect(await ask(server.file, 'POST', '/echo', text)).toBe(text.length);
    await expect(ask(server.file, 'POST', '/echo', `${text}x`)).rejects.toThrow('413');
    const length = MAX_CONTROL_REQUEST_BYTES + 1;
    const head = `POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: ${length}\r\n\r\n`;
    expect(await raw(server.file, head + 'x'.repeat(length))).toContain(
      `{"error":"a request has at most ${MAX_CONTROL_REQUEST_BYTES} bytes"}`,
    );
  });

  it.each([
    ['head', 'POST /echo HTTP/1.1\r\nhost: x\r\n'],
    ['body', 'POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n12'],
  ])('whose %s does not arrive in time is cut off', async (_what, text) => {
    const { server } = await start({ 'POST /echo': (body) => ({ body }) }, temporaryDirectory(), 50);
    expect(await raw(server.file, text)).not.toContain(' 200 ');
  });

  it('that fails because of a bug of ours is answered with 500, and the process goes on', async () => {
    const { server } = await start({
      'GET /bug': () => {
        throw new TypeError('a bug');
      },
      'GET /status': () => 'still here',
    });
    await expect(ask(server.file, 'GET', '/bug')).rejects.toThrow('internal error');
    const answer = await raw(server.file, 'GET /bug HTTP/1.1\r\nhost: x\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 500 /);
    expect(await ask(server.file, 'GET', '/status')).toBe('still here');
  });

  it('whose body is not JSON is refused', async () => {
    const { server } = await start({ 'POST /echo': (body) => ({ body }) });
    const text = 'POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 3\r\n\r\n{"a';
    const answer = await raw(server.file, text);
    expect(answer).toContain(' 400 ');
    expect(answer).toContain('{"error":"the body of a request is JSON"}');
  });

  it('beyond the limit on connections is refused, and served once another has ended', async () => {
    const { server } = await start({ 'GET /status': () => 'served' });
    const sockets: Socket[] = [];
    for (let i = 0; i < MAX_CONTROL_CONNECTIONS; i++) {
      const socket = connect(server.file);
      onTestFinished(() => void socket.destroy());
      await once(socket, 'connect');
      sockets.push(socket);
    }
    await expect(ask(server.file, 'GET', '/status')).rejects.toThrow('cannot ask the process');
    sockets[0]?.destroy();
    for (;;) {
      const answer = await ask(server.file, 'GET', '/status').catch(() => undefined);
      if (answer === 'served') break; // the server notices the end of a connection a turn later
    }
  });
});
