import { StreamErrorCode } from '@underpass/protocol';
import { describe, expect, it } from 'vitest';
import { setUpDriver as setUp } from './driver-setup.js';
import { fakeStream } from './fake-endpoint.js';

describe('closing the driver', () => {
  it('leaves a datagram that arrives afterwards alone: the keys are wiped', async () => {
    const { endpoint, socket, turns, driver, fatal, receive } = setUp();
    const closed = driver.close();
    turns.run();
    await closed;
    receive();
    driver.handlePassedOn(new Uint8Array(1), { address: '192.0.2.1', port: 1 });
    endpoint.handleTooLarge = () => expect.unreachable('the endpoint is destroyed');
    socket.listener?.onTooLarge?.({ address: '192.0.2.1', port: 1 }, 1472);
    expect([endpoint.received.length, turns.waiting.length, fatal.length]).toEqual([0, 0, 0]);
  });

  it('sends CLOSE, ends the streams, then closes the socket and leaves no timer', async () => {
    const stream = fakeStream();
    let lost = false;
    const { endpoint, socket, timers, turns, driver } = setUp();
    driver.attach(stream, {
      onReset: () => {
        lost = true;
      },
    });
    endpoint.deadline = { at: 1000, reason: 'keepalive' };
    driver.wake();
    turns.run();
    const closed = driver.close();
    endpoint.events.push({ type: 'stream-reset', stream, code: StreamErrorCode.connectionLost });
    turns.run();
    await closed;
    await driver.close();
    expect({
      lost,
      sent: socket.sent,
      closed: socket.closed,
      keysWiped: endpoint.destroyed,
      timers: timers.pending,
    }).toEqual({
      lost: true,
      sent: 1,
      closed: true,
      keysWiped: true,
      timers: 0,
    });
  });

  it('goes on if the endpoint fails, which is reported', async () => {
    const { endpoint, socket, turns, driver, fatal, timers } = setUp();
    endpoint.close = () => {
      throw new Error('our bug');
    };
    const closed = driver.close();
    turns.run();
    await closed;
    expect([fatal, socket.closed, endpoint.destroyed, timers.pending]).toEqual([
      [new Error('our bug')],
      true,
      true,
      0,
    ]);
  });

  it('waits for the kernel when the last messages do not fit into the free batches', async () => {
    const { endpoint, socket, turns, driver } = setUp();
    socket.instant = false;
    endpoint.toSend = 4;
    const closed = driver.close();
    turns.run();
    expect([socket.sent, socket.closed]).toEqual([4, false]);
    socket.free = 2;
    socket.listener?.onBatchFree();
    turns.run();
    await closed;
    expect([socket.sent, socket.closed]).toEqual([5, true]);
  });

  it('closes the socket after a second if the endpoint keeps sending', async () => {
    const { endpoint, socket, timers, turns, driver } = setUp();
    endpoint.pollTransmit = () => true;
    const closed = driver.close();
    turns.run(50);
    expect(socket.closed).toBe(false);
    timers.advance(1000);
    await closed;
    expect(socket.closed).toBe(true);
    driver.wake();
    turns.run();
    expect(turns.waiting).toHaveLength(0);
  });

  it('leaves the endpoint and the socket alone afterwards, even in a turn that was due already', async () => {
    const { endpoint, socket, timers, turns, driver, fatal } = setUp();
    endpoint.toSend = Number.POSITIVE_INFINITY;
    const closed = driver.close();
    turns.run(1);
    expect(turns.waiting).toHaveLength(1);
    timers.advance(1000);
    await closed;
    const { sent } = socket;
    for (const method of ['handleTimeout', 'pollTransmit', 'pollEvent', 'pollTimeout'] as const) {
      endpoint[method] = () => expect.unreachable(`${method} after destroy`);
    }
    turns.run();
    expect([fatal, socket.sent, turns.waiting.length, timers.pending]).toEqual([[], sent, 0, 0]);
  });
});
