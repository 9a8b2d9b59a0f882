/** A driver on an endpoint and a socket that only record calls, whose time and turns the test controls. */
import { Driver, type DriverHandler } from '../src/index.js';
import { FakeEndpoint, FakeSocket, FakeTimers, ignoringHandler, Turns } from './fake-endpoint.js';

export function setUpDriver(handler: DriverHandler = ignoringHandler) {
  const endpoint = new FakeEndpoint();
  const socket = new FakeSocket();
  const timers = new FakeTimers();
  const turns = new Turns();
  const fatal: unknown[] = [];
  const driver = new Driver({
    endpoint,
    socket,
    handler,
    timers,
    now: () => timers.now,
    defer: turns.defer,
    onFatal: (error) => fatal.push(error),
  });
  const receive = (): void =>
    socket.listener?.onDatagram(new Uint8Array(1), { address: '192.0.2.1', port: 1 }, false);
  const pass = (ms: number): void => {
    timers.advance(ms);
    turns.run();
  };
  return { endpoint, socket, timers, turns, fatal, driver, receive, pass };
}
