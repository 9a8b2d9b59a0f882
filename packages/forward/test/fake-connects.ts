/** Outgoing TCP connections that the test completes or fails. */
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type { ConnectTcp } from '../src/dialer.js';

class FakeSocket extends EventEmitter {
  destroyed = false;
  destroy(): void {
    this.destroyed = true;
  }
  resetAndDestroy(): void {
    this.destroyed = true;
  }
}

export class FakeConnects {
  /** `address port` of each, in order. */
  readonly made: string[] = [];
  readonly sockets: FakeSocket[] = [];

  readonly connectTcp: ConnectTcp = (address, port) => {
    const socket = new FakeSocket();
    this.made.push(`${address} ${port}`);
    this.sockets.push(socket);
    return socket as unknown as Socket;
  };

  /** Makes the newest one fail. */
  fail(code: string): void {
    this.sockets.at(-1)?.emit('error', Object.assign(new Error(code), { code }));
  }
  succeed(): void {
    this.sockets.at(-1)?.emit('connect');
  }
}
