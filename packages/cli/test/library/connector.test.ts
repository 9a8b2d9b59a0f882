/** How the connector for undici and the agents of `node:http` treat a connection, which the tests play. */
import { getEventListeners } from 'node:events';
import type { Agent } from 'node:http';
import { Duplex } from 'node:stream';
import tls, { type ConnectionOptions } from 'node:tls';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { httpAgentOf, httpsAgentOf } from '../../src/library/agents.js';
import type { ConnectorOptions, DialTarget, TunnelSocket } from '../../src/library/api.js';
import { connectorOf } from '../../src/library/connector.js';
import { useFakeTimers } from '../fake-timers.js';

/** @returns what was dialled, and what is dialled next */
function aDial() {
  const dialled = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  const targets: DialTarget[] = [];
  const dial = (target: DialTarget): TunnelSocket => {
    targets.push(target);
    return dialled as unknown as TunnelSocket;
  };
  return { dial, dialled, targets };
}

/** Plays TLS. @returns the options with which it was started, and its socket */
function playTls() {
  const socket = new Duplex({ read: () => undefined });
  const started: ConnectionOptions[] = [];
  const spy = vi.spyOn(tls, 'connect').mockImplementation(((options: ConnectionOptions) => {
    started.push(options);
    return socket;
  }) as never);
  onTestFinished(() => spy.mockRestore());
  return { started, socket };
}

describe('the connector', () => {
  const HTTP = { hostname: 'app.test', protocol: 'http:', port: '' };

  it.each([
    [HTTP, { host: 'app.test', port: 80 }],
    [
      { ...HTTP, port: '8080' },
      { host: 'app.test', port: 8080 },
    ],
    [
      { ...HTTP, hostname: '[::1]' },
      { host: '::1', port: 80 },
    ],
    [
      { ...HTTP, protocol: 'https:' },
      { host: 'app.test', port: 443 },
    ],
    [
      { ...HTTP, protocol: 'https:', port: '80' },
      { host: 'app.test', port: 80 },
    ],
  ])('dials for %j', (options, target) => {
    const { dial, targets } = aDial();
    playTls();
    connectorOf(dial)(options, () => undefined);
    expect(targets).toEqual([target]);
  });

  it.each<[Partial<ConnectorOptions>, string]>([
    [{ hostname: 'app.test' }, 'app.test'],
    [{ hostname: 'app.test', servername: 'other.test' }, 'other.test'],
    [{ hostname: '192.0.2.1' }, ''],
    [{ hostname: '192.0.2.1', servername: 'app.test' }, 'app.test'],
    [{ hostname: '[::1]' }, ''],
  ])('asks for the certificate of the host of %j', (options, servername) => {
    const { dial, dialled } = aDial();
    const { started } = playTls();
    connectorOf(dial)({ ...HTTP, protocol: 'https:', ca: 'mine', ...options }, () => undefined);
    const host = options.hostname?.replace(/[[\]]/g, '');
    const expected = { ALPNProtocols: ['http/1.1'], ca: 'mine', host, servername, socket: dialled };
    expect(started).toEqual([expected]);
  });

  it('hands over the connection once, when the target is connected', () => {
    const { dial, dialled } = aDial();
    const callback = vi.fn();
    connectorOf(dial)(HTTP, callback);
    expect(callback).not.toHaveBeenCalled();
    dialled.emit('connect');
    dialled.emit('error', new Error('later')); // undici listens itself by then
    expect(callback.mock.calls).toEqual([[null, dialled]]);
  });

  it('says once why there is none', () => {
    const { dial, dialled } = aDial();
    const callback = vi.fn();
    connectorOf(dial)(HTTP, callback);
    const error = new Error('refused');
    dialled.emit('error', error);
    expect(callback.mock.calls).toEqual([[error, null]]);
  });

  it('fails by its callback if nothing can be dialled, and never before it returns', async () => {
    const error = new Error('closed');
    const callback = vi.fn();
    connectorOf(() => {
      throw error;
    })(HTTP, callback);
    expect(callback).not.toHaveBeenCalled();
    await new Promise(setImmediate);
    expect(callback.mock.calls).toEqual([[error, null]]);
  });

  it('hands over TLS when its handshake is done', () => {
    const { dial, dialled } = aDial();
    const { socket } = playTls();
    const callback = vi.fn();
    connectorOf(dial)({ ...HTTP, protocol: 'https:' }, callback);
    dialled.emit('connect');
    socket.emit('connect');
    expect(callback).not.toHaveBeenCalled();
    socket.emit('secureConnect');
    expect(callback.mock.calls).toEqual([[null, socket]]);
  });

  it.each(['secureConnect', 'close'])('limits TLS from the connection on, until %s', async (end) => {
    const pendingTimers = useFakeTimers();
    const start = () => {
      const { dial, dialled } = aDial();
      const { socket } = playTls();
      const destroy = vi.spyOn(socket, 'destroy').mockReturnValue(socket);
      connectorOf(dial, 1_500)({ ...HTTP, protocol: 'https:' }, () => undefined);
      expect(pendingTimers(1_500)).toBe(0); // the relay limits the way to the target
      dialled.emit('connect');
      expect(pendingTimers(1_500)).toBe(1);
      return { socket, destroy };
    };
    const { socket } = start();
    socket.emit(end);
    expect(pendingTimers(1_500)).toBe(0);
    const { destroy } = start();
    vi.advanceTimersByTime(1_499);
    expect(destroy).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(destroy.mock.lastCall?.[0]).toMatchObject({
      failure: 'timed-out',
      message: expect.stringMatching(/^app\.test did not complete the TLS handshake within 1\.5 s: check/),
    });
  });

  it('does not limit a connection without TLS', () => {
    const pendingTimers = useFakeTimers();
    const { dial, dialled } = aDial();
    connectorOf(dial, 1_500)(HTTP, () => undefined);
    dialled.emit('connect');
    expect([pendingTimers(1_500), getEventListeners(dialled, 'secureConnect')]).toEqual([0, []]);
  });
});

describe('an agent', () => {
  const connectionOf = (agent: Agent, request: object, onSocket?: (error: Error | null) => void) =>
    agent.createConnection(request as never, onSocket as never);

  it.each([
    [
      { host: 'app.test', port: 8080 },
      { host: 'app.test', port: 8080 },
    ],
    [
      { host: 'app.test', port: '8080' },
      { host: 'app.test', port: 8080 },
    ],
    [{ host: 'app.test' }, { host: 'app.test', port: 80 }],
    [
      { host: null, port: null },
      { host: 'localhost', port: 80 },
    ],
    [
      { socketPath: '', port: 1 },
      { host: 'localhost', port: 1 },
    ],
  ])('dials for %j', (request, target) => {
    const { dial, dialled, targets } = aDial();
    expect(connectionOf(httpAgentOf(dial), request)).toBe(dialled);
    expect(targets).toEqual([target]);
  });

  it('of HTTPS has TLS on the connection, by default to port 443', () => {
    const { dial, dialled, targets } = aDial();
    const { started, socket } = playTls();
    expect(connectionOf(httpsAgentOf(dial), { host: 'app.test', servername: 'a' })).toBe(socket);
    expect(targets).toEqual([{ host: 'app.test', port: 443 }]);
    expect(started).toEqual([{ host: 'app.test', servername: 'a', socket: dialled }]);
  });

  it('passes on its options', () => {
    const { dial } = aDial();
    expect(httpAgentOf(dial, { maxSockets: 3 }).maxSockets).toBe(3);
    expect(httpsAgentOf(dial, { maxSockets: 3 }).maxSockets).toBe(3);
  });

  it('gives a failure to the callback if there is one, and throws otherwise', async () => {
    const agent = httpAgentOf(aDial().dial);
    const request = { socketPath: '/run/app.sock' };
    const refused = { code: 'invalid-option', hint: "dial 'unix:/path'" };
    expect(() => connectionOf(agent, request)).toThrow(expect.objectContaining(refused));
    const onSocket = vi.fn();
    expect(connectionOf(agent, request, onSocket)).toBeUndefined();
    expect(onSocket).not.toHaveBeenCalled();
    await new Promise(setImmediate);
    expect(onSocket.mock.calls).toEqual([[expect.objectContaining(refused)]]);
  });
});
