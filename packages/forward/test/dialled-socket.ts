/** A dialled socket whose relay is the test. */
import type { StreamHandler } from '@underpass/runtime';
import type { Link, LocalEnd } from '../src/local-end.js';
import { SocketWatch } from '../src/socket-watch.js';
import { TunnelSocket, type TunnelSocketOptions } from '../src/tunnel-socket.js';
import { FakeStream } from './fake-stream.js';
import { FakeTimers } from './fake-timers.js';

export const TARGET = { host: 'example.com', port: 80 };

export function dial(options: TunnelSocketOptions = {}) {
  const timers = new FakeTimers();
  const stream = new FakeStream();
  const heard: string[] = [];
  let handler: StreamHandler = {};
  let end: LocalEnd | undefined;
  const link: Link = {
    tunnel: {
      attach: (_stream, attached) => {
        handler = attached;
      },
      wake: () => undefined,
    },
    watch: new SocketWatch(timers),
    observer: {
      onOpened: () => heard.push('opened'),
      onRefused: (status) => heard.push(status),
      onEnd: ({ clean, bytesSent, bytesReceived }) => {
        heard.push(`${clean ? 'clean' : 'not clean'}, ${bytesSent} out, ${bytesReceived} in`);
      },
    },
  };
  const parts = {
    carry: (carried: LocalEnd) => {
      end = carried;
    },
    explain: (failure: string) => `because: ${failure}`,
    timers,
  };
  const socket = new TunnelSocket(TARGET, parts, options);
  const open = (given: FakeStream | undefined = stream) => (end as LocalEnd).open(given, link);
  const refuse = () => (end as LocalEnd).open(undefined, link);
  const arrive = (bytes: Uint8Array | string) => {
    stream.arrive(bytes);
    handler.onReadable?.();
  };
  const fin = () => {
    stream.arriveFin();
    handler.onReadable?.();
  };
  return {
    socket,
    stream,
    open,
    refuse,
    arrive,
    fin,
    heard,
    timers,
    giveUp: () => (end as LocalEnd).giveUp(),
    handler: () => handler,
  };
}

export type Dialled = ReturnType<typeof dial>;
