import { once } from 'node:events';
import { type ListenOptions, Server, type Socket } from 'node:net';
import { UnderpassError } from '@underpass/runtime';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { LISTEN_BACKLOG } from '../src/forward-constants.js';
import type { Bind } from '../src/forward-spec.js';
import { listenTcp } from '../src/tcp-listener.js';
import { connectTo, listen } from './sockets.js';

async function listenAt(bind: Bind, port = 0) {
  const sockets: Socket[] = [];
  const listener = await listenTcp({ bind, port }, (socket) => sockets.push(socket));
  onTestFinished(() => {
    listener.close();
    for (const socket of sockets) socket.destroy();
  });
  return { ...listener, sockets };
}

describe('a listener', () => {
  it('without a bind address listens on both loopback addresses with the same port, and nowhere else (spec forwarding 1.2: "MUST listen on loopback only")', async () => {
    const { addresses } = await listenAt({ kind: 'loopback' });
    expect(addresses.map(({ address }) => address)).toEqual(['127.0.0.1', '::1']);
    expect(new Set(addresses.map(({ port }) => port)).size).toBe(1);
    for (const { address, port } of addresses) await once(connectTo(port, address), 'connect');
    const other = connectTo(addresses[0]?.port ?? 0, '127.0.0.2');
    const [error] = (await once(other, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNREFUSED');
  });

  it.each([
    ['127.0.0.1', '127.0.0.1', '[::1]'],
    ['0.0.0.0', '127.0.0.1', '[::1]'],
    ['::1', '[::1]', '127.0.0.1'],
  ])(
    'fails when another program has the port on %s only, because localhost would reach that program (spec forwarding 1.2: "the forward MUST fail")',
    async (host, taken, free) => {
      const { port } = await listen(() => undefined, { host, ipv6Only: true });
      const failure = await listenAt({ kind: 'loopback' }, port).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(UnderpassError);
      expect(failure).toMatchObject({
        code: 'address-in-use',
        message: `${taken}:${port} is in use by another program; ${free}:${port} is free, but localhost would reach that program`,
        hint: 'choose another port, or stop that program',
      });
      // No listener is left behind.
      const [error] = (await once(connectTo(port, host === '::1' ? '127.0.0.1' : '::1'), 'error')) as [
        NodeJS.ErrnoException,
      ];
      expect(error.code).toBe('ECONNREFUSED');
    },
  );

  it('fails when neither address is free, and says what to do', async () => {
    const { addresses } = await listenAt({ kind: 'loopback' });
    const port = addresses[0]?.port ?? 0;
    const failure = await listenAt({ kind: 'loopback' }, port).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(UnderpassError);
    expect(failure).toMatchObject({
      code: 'address-in-use',
      message: `TCP port 127.0.0.1:${port} is in use by another program`,
    });
  });

  it('listens on every interface when asked to', async () => {
    const { addresses } = await listenAt({ kind: 'all' });
    const port = addresses[0]?.port ?? 0;
    for (const host of ['127.0.0.1', '127.0.0.2', '::1']) await once(connectTo(port, host), 'connect');
  });

  it('listens on a given address only', async () => {
    const { addresses } = await listenAt({ kind: 'host', host: '127.0.0.2' });
    expect(addresses).toEqual([{ address: '127.0.0.2', port: expect.any(Number) }]);
    await expect(listenAt({ kind: 'host', host: '192.0.2.1' })).rejects.toMatchObject({
      code: 'address-not-available',
    });
  });

  it('passes on sockets whose directions end independently, and leaves them alone when it closes', async () => {
    const { addresses, sockets, close } = await listenAt({ kind: 'host', host: '127.0.0.1' });
    const program = connectTo(addresses[0]?.port ?? 0);
    await once(program, 'connect');
    program.end('question');
    const answer = once(program, 'data');
    while (sockets.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const [socket] = sockets as [Socket];
    close();
    socket.resume();
    await once(socket, 'end');
    socket.end('answer');
    expect(String((await answer)[0])).toBe('answer');
  });

  it('goes on when it cannot accept a connection for lack of descriptors', async () => {
    const listen = vi.spyOn(Server.prototype, 'listen');
    onTestFinished(() => listen.mockRestore());
    await listenAt({ kind: 'loopback' });
    expect(listen.mock.contexts).toHaveLength(2);
    for (const server of listen.mock.contexts as Server[]) {
      expect(() => server.emit('error', Object.assign(new Error(), { code: 'EMFILE' }))).not.toThrow();
    }
  });

  it('has its ports alone, also on machines where one for all IPv6 takes those of IPv4', async () => {
    const listen = vi.spyOn(Server.prototype, 'listen');
    onTestFinished(() => listen.mockRestore());
    await listenAt({ kind: 'loopback' });
    await listenAt({ kind: 'all' });
    const asked = listen.mock.calls.map(([options]) => options as ListenOptions);
    expect(asked.map(({ host, ipv6Only, exclusive }) => [host, ipv6Only, exclusive])).toEqual([
      ['127.0.0.1', undefined, true],
      ['::1', true, true],
      ['::', undefined, true],
    ]);
    expect(new Set(asked.map(({ backlog }) => backlog))).toEqual(new Set([LISTEN_BACKLOG]));
  });

  it('closes every address that it listens on', async () => {
    const { addresses, close } = await listenAt({ kind: 'loopback' });
    expect(addresses).toHaveLength(2);
    close();
    for (const { address, port } of addresses) {
      const [error] = (await once(connectTo(port, address), 'error')) as [NodeJS.ErrnoException];
      expect(error.code).toBe('ECONNREFUSED');
    }
  });
});

/** Makes the system refuse all addresses of one kind, as one that does not know them does, or for another reason. */
function withoutFamily(isMissing: (host: string) => boolean, code = 'EAFNOSUPPORT'): void {
  const listen = Server.prototype.listen as (options: ListenOptions, done: () => void) => Server;
  const spy = vi.spyOn(Server.prototype, 'listen');
  spy.mockImplementation(function (this: Server, options: unknown, done: unknown) {
    if (!isMissing((options as ListenOptions).host ?? '')) {
      return listen.call(this, options as ListenOptions, done as () => void);
    }
    const error = Object.assign(new Error('no such family'), { code });
    process.nextTick(() => this.emit('error', error));
    return this;
  } as typeof Server.prototype.listen);
  onTestFinished(() => spy.mockRestore());
}

describe('a listener on a machine with one address family (spec forwarding 1.2)', () => {
  const isIp6 = (host: string) => host.includes(':');
  const isIp4 = (host: string) => !isIp6(host);

  it.each([
    ['all addresses', { kind: 'any' }, isIp6, ['0.0.0.0']],
    ['loopback', { kind: 'loopback' }, isIp6, ['127.0.0.1']],
    ['loopback', { kind: 'loopback' }, isIp4, ['::1']],
  ] as const)(
    'asked for %s (%o) listens on those that there are',
    async (_what, bind, isMissing, expected) => {
      withoutFamily(isMissing);
      const { addresses } = await listenAt(bind as Bind);
      expect(addresses.map(({ address }) => address)).toEqual(expected);
    },
  );

  it('fails when IPv6 cannot be had for another reason, and takes no IPv4 instead', async () => {
    withoutFamily(isIp6, 'EADDRINUSE');
    await expect(listenAt({ kind: 'all' })).rejects.toThrow('in use');
  });

  it('refuses an address of the other, and names it', async () => {
    withoutFamily(isIp6);
    const failure = await listenAt({ kind: 'host', host: '::1' }, 7).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(UnderpassError);
    expect(String((failure as Error).message)).toContain('[::1]:7');
  });
});
