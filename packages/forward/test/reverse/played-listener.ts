/** The listeners of one peer, with ports and visitors that the test plays. */
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type { StreamHandler } from '@underpass/runtime';
import { DescriptorGuard } from '../../src/descriptor-guard.js';
import type { ListenPlace } from '../../src/forward-spec.js';
import { IncomingRequest } from '../../src/incoming-request.js';
import { RateLimit } from '../../src/rate-limit.js';
import { encodeRequest } from '../../src/request.js';
import { type ListenRule, parseListenRule } from '../../src/reverse/listen-rules.js';
import type { ListenerInfo } from '../../src/reverse/listener-parts.js';
import { PeerListeners } from '../../src/reverse/peer-listeners.js';
import { SocketWatch } from '../../src/socket-watch.js';
import { FakeStream } from '../fake-stream.js';
import { FakeTimers } from '../fake-timers.js';

export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
/** A visitor's socket that records what is done with it. */
class FakeVisitor extends EventEmitter {
  readonly remoteAddress: string | undefined;
  readonly remotePort = 4711;
  isReset = false;
  readonly written: string[] = [];

  constructor(remoteAddress: string | undefined) {
    super();
    this.remoteAddress = remoteAddress;
  }
  get destroyed(): boolean {
    return this.isReset;
  }
  resetAndDestroy(): void {
    this.isReset = true;
  }
  close(): void {
    this.isReset = true;
    this.emit('close');
  }
  setNoDelay(): void {}
  setKeepAlive(): void {}
  isPaused = false;
  pause(): void {
    this.isPaused = true;
  }
  resume(): void {
    this.isPaused = false;
  }
  write(bytes: Uint8Array): void {
    this.written.push(String(Buffer.from(bytes)));
  }
}

export function setUp(...allowListen: readonly string[]) {
  const timers = new FakeTimers();
  const rulesOf = (texts: readonly string[]) => texts.map((text) => parseListenRule(text) as ListenRule);
  let rules = rulesOf(allowListen);
  const handlers = new Map<FakeStream, StreamHandler>();
  const heard: string[] = [];
  const opened: FakeStream[] = [];
  const places: ListenPlace[] = [];
  const failures: unknown[] = [];
  let isClosed = false;
  let accept: ((socket: Socket) => void) | undefined;
  let bound: (() => void) | undefined;
  let wakes = 0;
  const free = { streams: true, descriptors: true };
  const tunnel = {
    attach: (stream: unknown, handler: StreamHandler) => void handlers.set(stream as FakeStream, handler),
    wake: () => void wakes++,
  };
  const shown = ({ place, addresses, visitors }: ListenerInfo) =>
    `${place.bind} ${place.port}, ${addresses.map(({ address }) => address)}, ${visitors}`;
  const looks = { count: 0 };
  const limit = new RateLimit({ timers, now: timers.now });
  const listeners = new PeerListeners({
    tunnel,
    openStream: () => {
      if (!free.streams) return undefined;
      opened.push(new FakeStream(2 * opened.length + 1));
      return opened.at(-1);
    },
    rules: () => rules,
    isAway: () => false,
    holderOf: (port) => (port === 8000 ? 'bob' : undefined),
    watch: new SocketWatch(timers),
    descriptors: new DescriptorGuard({
      onShortage: () => undefined,
      now: timers.now,
      canOpen: () => {
        looks.count++;
        return free.descriptors;
      },
    }),
    timers,
    limit,
    listen: async (place, onConnection) => {
      places.push(place);
      const failure = failures.shift();
      if (failure instanceof Promise) await failure;
      else if (failure === 'later') await new Promise<void>((resolve) => (bound = resolve));
      else if (failure !== undefined) throw failure;
      accept = onConnection;
      const close = (): void => {
        isClosed = true;
      };
      const port = 'port' in place ? place.port || 4000 : 0;
      return { addresses: [{ address: '127.0.0.1', port }], close };
    },
    observer: {
      onListening: (listener) => heard.push(`listening: ${shown(listener)}`),
      onListenerEnd: (listener, reason) => heard.push(`end: ${shown(listener)}: ${reason}`),
      onVisitor: (listener, id, from) => heard.push(`visitor ${id} from ${from.address}: ${shown(listener)}`),
      onVisitorRefused: (_listener, id, { address }, status, advice) =>
        heard.push(`refused ${id} from ${address}: ${status}: ${advice}`),
      onVisitorEnd: (_listener, id, { port }, { bytesSent, bytesReceived, clean }) =>
        heard.push(`ended ${id} port ${port}: ${bytesSent} ${bytesReceived} ${clean}`),
    },
  });
  /** Sends a LISTEN request. */
  const request = (bind: string, port: number) => {
    const stream = new FakeStream(6);
    const refused: string[] = [];
    const incoming = new IncomingRequest(stream, {
      tunnel,
      timers,
      serve: (asked, self) => listeners.serve(asked as never, self),
      onDecided: () => undefined,
      onRefused: (_id, _request, status, advice) => refused.push(`${status}: ${advice}`),
    });
    stream.arrive(encodeRequest({ kind: 'listen', bind, port }));
    incoming.start();
    return { stream, refused, handler: incoming as StreamHandler };
  };
  const ask = async (bind: string, port: number) => {
    const asked = request(bind, port);
    for (let turns = 0; turns < 5; turns++) await settled();
    return asked;
  };
  const visit = (address: string | undefined = '192.0.2.7') => {
    const visitor = new FakeVisitor(address);
    accept?.(visitor as unknown as Socket);
    return visitor;
  };
  /** The client answers the newest visitor. */
  const answer = (bytes: Uint8Array) => {
    const stream = opened.at(-1) as FakeStream;
    stream.arrive(bytes);
    handlers.get(stream)?.onReadable?.();
    return stream;
  };
  return {
    listeners,
    timers,
    heard,
    opened,
    handlers,
    places,
    failures,
    free,
    looks,
    limit,
    request,
    ask,
    visit,
    answer,
    bind: () => bound?.(),
    isClosed: () => isClosed,
    setRules: (...texts: readonly string[]) => {
      rules = rulesOf(texts);
      listeners.onRulesChanged();
    },
    takeWakes: () => {
      const count = wakes;
      wakes = 0;
      return count;
    },
  };
}

export type Parts = ReturnType<typeof setUp>;
