/** The flows of one peer of a relay, whose sockets and streams the test plays. */
import type { Address } from '@underpass/protocol';
import type { FlowSocketHandler, StreamHandler } from '@underpass/runtime';
import { Acceptor } from '../src/acceptor.js';
import { DescriptorGuard } from '../src/descriptor-guard.js';
import { formatTarget } from '../src/forward-spec.js';
import { LookupQueue, type NameResolver } from '../src/lookup-queue.js';
import type { RateLimit } from '../src/rate-limit.js';
import { encodeRequest, encodeStatus, type RequestStatus } from '../src/request.js';
import { SocketWatch } from '../src/socket-watch.js';
import { FakeStream } from './fake-stream.js';
import { FakeTimers } from './fake-timers.js';
import { rules } from './rules.js';

export const bytes = (text: string) => Buffer.from(text);
export const byteOf = (status: RequestStatus) => encodeStatus(status)[0];
/** Resolves when everything that a resolution or a connect causes has happened. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A UDP socket that the test plays the target of. */
class FakeSocket {
  readonly address = { address: '127.0.0.1', port: 4000 };
  readonly sent: string[] = [];
  isClosed = false;
  readonly to: string;
  readonly #handler: FlowSocketHandler;

  constructor(to: string, handler: FlowSocketHandler) {
    this.to = to;
    this.#handler = handler;
  }
  send(message: Uint8Array, to?: Address): void {
    const where = to === undefined ? '' : ` to ${to.address} ${to.port}`;
    this.sent.push(`${Buffer.from(message)}${where}`);
  }
  close(): void {
    this.isClosed = true;
  }
  arrive(text: string, from: Address = { address: '192.0.2.9', port: 53 }): void {
    this.#handler.onMessage(bytes(text), from);
  }
}

interface Setup {
  readonly resolve?: NameResolver;
  /** The error of a connect to this address. */
  readonly failure?: (address: string) => Error | undefined;
  readonly hasDescriptors?: () => boolean;
  readonly limit?: RateLimit;
}

export function setUp(allow: readonly string[], { resolve, failure, hasDescriptors, limit }: Setup = {}) {
  const timers = new FakeTimers();
  const handlers = new Map<FakeStream, StreamHandler>();
  const sockets: FakeSocket[] = [];
  const heard: string[] = [];
  let wakes = 0;
  let current = rules(...allow);
  const acceptor = new Acceptor({
    tunnel: {
      attach: (stream, handler) => handlers.set(stream as FakeStream, handler),
      wake: () => wakes++,
    },
    limit,
    lookups: new LookupQueue((name) => resolve?.(name) ?? new Promise(() => undefined), timers),
    rules: () => current,
    observer: {
      onOpened: (_id, target, address) => heard.push(`opened ${formatTarget(target)} at ${address}`),
      onRefused: (_id, _target, status, advice) => heard.push(`${status}: ${advice}`),
      onForbidden: (_id, _target, advice) => heard.push(advice),
      onTooLarge: (_id, _target, length, maxBytes) => heard.push(`${length} above ${maxBytes}`),
      onEnd: (_id, _target, { bytesSent, bytesReceived, clean }) => {
        heard.push(`ended ${bytesSent} ${bytesReceived} ${clean}`);
      },
    },
    watch: new SocketWatch(timers),
    descriptors: new DescriptorGuard({
      onShortage: () => {},
      now: timers.now,
      canOpen: () => hasDescriptors?.() ?? true,
    }),
    connectUdp: async ({ address, port }, handler) => {
      const error = failure?.(address);
      if (error !== undefined) throw error;
      const socket = new FakeSocket(`${address} ${port}`, handler);
      sockets.push(socket);
      return socket;
    },
    probeReport: () => {
      throw new Error('nothing is probed here');
    },
    bindUdp: async ({ address }, handler) => {
      const error = failure?.(address);
      if (error !== undefined) throw error;
      const socket = new FakeSocket(address, handler);
      sockets.push(socket);
      return socket;
    },
    timers,
    now: timers.now,
  });
  const accept = (host: string, port: number, ...messages: readonly string[]) =>
    begin(encodeRequest({ kind: 'udp', host, port }), messages.map(bytes));
  const begin = (request: Uint8Array, messages: readonly Uint8Array[] = []) => {
    const stream = new FakeStream();
    stream.arrive(request);
    stream.arrivedDatagrams.push(...messages);
    acceptor.accept(stream);
    const handler = handlers.get(stream) as StreamHandler;
    const arrive = (...texts: readonly string[]) => {
      stream.arrivedDatagrams.push(...texts.map(bytes));
      handler.onDatagrams?.();
    };
    return { stream, handler, arrive };
  };
  const setRules = (...texts: readonly string[]) => {
    current = rules(...texts);
    acceptor.onRulesChanged();
  };
  /** How often the driver was woken since the last call. */
  const takeWakes = () => {
    const count = wakes;
    wakes = 0;
    return count;
  };
  return { accept, begin, setRules, timers, sockets, heard, takeWakes };
}
