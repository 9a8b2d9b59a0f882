/** What a client is started with: its sockets, its suite and its forwards; and what happens if its start fails. */
import { silentLog } from '@underpass/runtime';
import { beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import type { ClientParts } from '../src/client.js';
import type { ClientOptions } from '../src/client-options.js';
import { startClient } from '../src/start-client.js';
import { newKeys } from './bare-relay.js';
import { calls, reset, stage } from './played-part.js';

/** With which options. */
const { opened, chosen } = vi.hoisted(() => ({ opened: [] as object[], chosen: [] as object[] }));

vi.mock('@underpass/runtime', async (importOriginal) => {
  const runtime = await importOriginal<typeof import('@underpass/runtime')>();
  return {
    ...runtime,
    openUdpSocket: async (options: Parameters<typeof runtime.openUdpSocket>[0]) => {
      opened.push({ ...options });
      const socket = await runtime.openUdpSocket(options);
      onTestFinished(() => socket.close());
      return socket;
    },
    chooseSuite: (options: Parameters<typeof runtime.chooseSuite>[0] = {}) => {
      chosen.push({ ...options });
      return runtime.chooseSuite(options);
    },
  };
});
vi.mock('../src/client.js', async () => ({
  // biome-ignore lint/suspicious/noThenProperty: what has every method must not look like a promise
  RunningClient: (await import('./played-part.js')).played('client', { then: undefined }),
}));

beforeEach(() => {
  reset();
  opened.length = 0;
  chosen.length = 0;
});

function start(more: Partial<ClientOptions> = {}) {
  const { privateKey, publicKey } = newKeys();
  return startClient({
    relay: { host: '192.0.2.1', port: 9 },
    relayPublicKey: publicKey,
    privateKey,
    forwards: [],
    log: silentLog,
    ...more,
  });
}

it('a client that switches to another port keeps its kind of socket, and lets the system choose the port', async () => {
  await start({ socket: 'plain' });
  const [, { changePort, socket }] = stage.parameters.client as [unknown, ClientParts];
  const before = socket.address.port;
  expect(await changePort()).toBe(true);
  expect(socket.address.port).not.toBe(before);
  expect(opened).toEqual([
    { port: 0, kind: 'plain', log: silentLog },
    { port: 0, kind: 'plain' },
  ]);
});

it('a client has the choice of its suite logged', async () => {
  await start({ suite: 'portable' });
  expect(chosen).toEqual([{ name: 'portable', log: silentLog }]);
});

it('a client starts its forwards in order, and then looks for its relay', async () => {
  const forwards = [{ text: 'first' }, { text: 'second' }] as unknown as ClientOptions['forwards'];
  await start({ forwards });
  expect(calls()).toEqual([
    ['client.addForward', forwards[0]],
    ['client.addForward', forwards[1]],
    ['client.findRelay'],
  ]);
});

it.each(['addForward', 'findRelay'])('a client is closed before its start fails at %s', async (step) => {
  stage.answers[`client.${step}`] = Promise.reject(new Error('no'));
  let close: () => void = () => undefined;
  stage.answers['client.close'] = new Promise<void>((resolve) => {
    close = resolve;
  });
  const forwards = [{ text: 'first' }] as unknown as ClientOptions['forwards'];
  let hasFailed = false;
  const starting = start({ forwards }).catch((error: Error) => {
    hasFailed = true;
    return error.message;
  });
  await vi.waitFor(() => expect(stage.calls.at(-1)).toEqual(['client.close']));
  expect(hasFailed).toBe(false);
  close();
  expect(await starting).toBe('no');
});
