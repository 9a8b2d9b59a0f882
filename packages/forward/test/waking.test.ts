/** Outside its own dispatch the driver sends nothing before it is woken. So whatever a timer, a dial or a socket makes us
 *  command has to be followed by `wake`. */
import type { Socket } from 'node:net';
import type { Stream } from '@underpass/protocol';
import type { StreamHandler } from '@underpass/runtime';
import { describe, expect, it } from 'vitest';
import { Acceptor } from '../src/acceptor.js';
import { DescriptorGuard } from '../src/descriptor-guard.js';
import { REQUEST_TIMEOUT_MS } from '../src/forward-constants.js';
import type { LocalEnd } from '../src/local-end.js';
import { LookupQueue } from '../src/lookup-queue.js';
import { openThroughTunnel } from '../src/opener.js';
import { encodeRequest, encodeStatus } from '../src/request.js';
import { SocketWatch } from '../src/socket-watch.js';
import type { Tunnel } from '../src/tunnel.js';
import { TunnelSocket } from '../src/tunnel-socket.js';
import { FakeStream } from './fake-stream.js';
import { FakeTimers } from './fake-timers.js';
import { rules } from './rules.js';
import { socketPair } from './sockets.js';

const TARGET = { host: '192.0.43.8', port: 80 };

/** A stream that knows whether a command still waits for the driver. */
class UnsentStream extends FakeStream {
  isUnsent = false;
  commands = 0;

  override write(chunk: Uint8Array): number {
    this.#commanded();
    return super.write(chunk);
  }
  override finish(): void {
    this.#commanded();
    super.finish();
  }
  override reset(code: number): void {
    this.#commanded();
    super.reset(code);
  }
  override stopSending(code: number): void {
    this.#commanded();
    super.stopSending(code);
  }
  override read(): Uint8Array | undefined {
    const chunk = super.read();
    if (chunk !== undefined) this.#commanded(); // the peer gets credit
    return chunk;
  }

  #commanded(): void {
    this.isUnsent = true;
    this.commands++;
  }
}

/** A tunnel that carries one stream, and a pair of connected sockets. */
async function setUp() {
  const { ours, theirs } = await socketPair();
  const stream = new UnsentStream();
  let handler: StreamHandler = {};
  const tunnel: Tunnel = {
    attach: (_stream: Stream, attached: StreamHandler) => {
      handler = attached;
    },
    wake: () => {
      stream.isUnsent = false;
    },
  };
  /** What the driver dispatches needs no wake: it sends what handlers command. */
  const dispatch = (event: (handler: StreamHandler) => void): void => {
    event(handler);
    stream.isUnsent = false;
  };
  return { ours, theirs, stream, tunnel, dispatch };
}

type Parts = Awaited<ReturnType<typeof setUp>>;

function accept({ ours, stream, tunnel }: Parts, timers = new FakeTimers()): FakeTimers {
  const acceptor = new Acceptor({
    tunnel,
    lookups: new LookupQueue(() => new Promise(() => undefined), timers),
    rules: () => rules(`${TARGET.host}:${TARGET.port}`),
    observer: { onOpened: () => {}, onRefused: () => {}, onTooLarge: () => {}, onEnd: () => {} },
    ownAddresses: () => [],
    watch: new SocketWatch(timers),
    probeReport: () => ({ clockMs: 0, packetsSent: 0, packetsLost: 0, address: '', name: '' }),
    descriptors: new DescriptorGuard({ onShortage: () => {}, now: timers.now, canOpen: () => true }),
    connectTcp: () => ours,
    timers,
    now: timers.now,
  } as ConstructorParameters<typeof Acceptor>[0]);
  acceptor.accept(stream);
  stream.isUnsent = false; // A new stream is dispatched.
  return timers;
}

/** Both ends of a tunnel, after the target is connected. */
const SIDES: readonly (readonly [string, (parts: Parts) => void])[] = [
  [
    "the relay's",
    (parts) => {
      parts.stream.arrive(encodeRequest({ kind: 'tcp', ...TARGET }));
      accept(parts);
      parts.ours.emit('connect');
    },
  ],
  [
    "the client's",
    (parts) => {
      const { tunnel, stream, ours, dispatch } = parts;
      const observer = { onOpened: () => {}, onRefused: () => {}, onEnd: () => {} };
      openThroughTunnel(tunnel, stream, ours, TARGET, observer, new SocketWatch(new FakeTimers()));
      expect(stream.isUnsent).toBe(false);
      stream.arrive(encodeStatus('opened'));
      dispatch((handler) => handler.onReadable?.());
    },
  ],
];

const CAUSES: readonly (readonly [string, (theirs: Socket) => void, (stream: FakeStream) => boolean])[] = [
  ['sends', (theirs) => theirs.write('data'), (stream) => String(stream.written).endsWith('data')],
  ['ends its direction', (theirs) => theirs.end(), (stream) => stream.finished],
  ['resets the connection', (theirs) => theirs.resetAndDestroy(), (stream) => stream.resetCode !== undefined],
];

describe.each(SIDES)('%s driver is woken', (_side, start) => {
  it.each(CAUSES)('when the socket %s', async (_what, cause, hasHappened) => {
    const parts = await setUp();
    start(parts);
    expect(parts.stream.isUnsent).toBe(false);
    cause(parts.theirs);
    await parts.stream.until(hasHappened);
    await Promise.resolve();
    expect(parts.stream.isUnsent).toBe(false);
  });
});

describe("the relay's driver is woken", () => {
  it('when a request is refused because it took too long', async () => {
    const parts = await setUp();
    const timers = accept(parts);
    timers.advance(REQUEST_TIMEOUT_MS);
    expect(parts.stream.finished).toBe(true);
    expect(parts.stream.isUnsent).toBe(false);
  });

  it('when the target refuses', async () => {
    const parts = await setUp();
    parts.stream.arrive(encodeRequest({ kind: 'tcp', ...TARGET }));
    accept(parts);
    parts.ours.emit('error', Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }));
    expect(parts.stream.finished).toBe(true);
    expect(parts.stream.isUnsent).toBe(false);
  });
});

/** A socket for code in this process, each time with an event that makes it command something. */
const IN_PROCESS: readonly (readonly [string, (parts: Dialled) => void | Promise<void>])[] = [
  ['gets a stream', ({ open }) => open()],
  [
    'is written to',
    ({ open, socket }) => {
      open();
      socket.write('data');
    },
  ],
  [
    'is ended',
    ({ open, socket }) => {
      open();
      socket.end();
    },
  ],
  [
    'is destroyed',
    async ({ open, socket }) => {
      open();
      socket.destroy();
      await new Promise(setImmediate);
    },
  ],
  [
    'gives credit for what is read',
    async ({ open, arrive, socket }) => {
      open();
      arrive('answer');
      await new Promise(setImmediate);
      socket.resume();
      await new Promise(setImmediate);
    },
  ],
];

interface Dialled {
  readonly socket: TunnelSocket;
  open(): void;
  arrive(text: string): void;
}

describe("the client's driver is woken", () => {
  it.each(IN_PROCESS)('when a dialled socket %s', async (what, cause) => {
    const { stream, tunnel, dispatch } = await setUp();
    const observer = { onOpened: () => {}, onRefused: () => {}, onEnd: () => {} };
    const timers = new FakeTimers();
    let end: LocalEnd | undefined;
    const carry = (carried: LocalEnd) => {
      end = carried;
    };
    const socket = new TunnelSocket(TARGET, { carry, explain: String, timers });
    let commands = 0;
    const open = () => {
      end?.open(stream, { tunnel, watch: new SocketWatch(timers), observer });
      expect(stream.isUnsent, 'after it was opened').toBe(false);
      commands = stream.commands;
    };
    const arrive = (text: string) => {
      stream.arrive(encodeStatus('opened'));
      stream.arrive(text);
      dispatch((handler) => handler.onReadable?.());
      commands = stream.commands;
    };
    await cause({ socket, open, arrive });
    expect(stream.isUnsent).toBe(false);
    if (what !== 'gets a stream') expect(stream.commands).toBeGreaterThan(commands);
  });

  it('when a visitor is accepted for a service of this program', async () => {
    const { stream, tunnel } = await setUp();
    const observer = { onOpened: () => {}, onRefused: () => {}, onEnd: () => {} };
    const timers = new FakeTimers();
    const link = { tunnel, watch: new SocketWatch(timers), observer };
    // The status was written just before.
    stream.write(encodeStatus('opened'));
    TunnelSocket.accept(
      {
        stream,
        link,
        firstBytes: new Uint8Array(0),
        isStopped: false,
        remote: { address: '192.0.2.1', port: 1 },
      },
      { explain: String, timers },
    );
    expect(stream.isUnsent).toBe(false);
  });
});
