/** Streams that are started over when the peer has restarted, because nobody can have acted on them
 *  (spec streams 3.8). */
import type { Stream } from '@underpass/protocol';
import { PERFECT_LINK, PERFECT_NETWORK } from '@underpass/testkit';
import { describe, expect, test } from 'vitest';
import { World } from './world.js';

/** A client with a stream that the relay knows. All events have been taken. */
function connected(world = new World()): { world: World; old: Stream } {
  const old = world.open('client');
  world.run(1_000);
  expect(world.take('client')).toEqual(['connected']);
  expect(world.take('relay')).toEqual(['connected', 'stream-opened 0']);
  return { world, old };
}

function bytesOf(stream: Stream | undefined): number {
  let bytes = 0;
  for (let chunk = stream?.read(); chunk !== undefined; chunk = stream?.read()) bytes += chunk.length;
  return bytes;
}

const OLD_IS_LOST = ['stream-reset 0 4', 'stream-closed 0', 'disconnected peer peer restarted', 'connected'];

describe('a stream is started over', () => {
  // spec streams 3.8: "MUST start such a stream over"
  test('when it was opened while nothing was heard of a relay that then restarted', () => {
    const { world, old } = connected();
    world.pair.setEndpoint('relay', undefined);
    world.write('client', old, 100);
    world.run(5_000);
    const fresh = [world.open('client', 10), world.open('client', 20)];
    fresh[1]?.finish();
    world.run(5_000);
    world.start('relay');
    world.run(3_000);
    expect(world.take('client')).toEqual(OLD_IS_LOST);
    expect(world.lost.client).toEqual([1]);
    expect(world.take('relay')).toEqual(['connected', 'stream-opened 0', 'stream-opened 2']);
    const [first, second] = world.incoming.relay.slice(1);
    expect([bytesOf(first), bytesOf(second)]).toEqual([10, 20]);
    expect(second?.readFinished).toBe(true);
    // It then works like any other.
    world.write('client', fresh[0] as Stream, 30);
    world.run(1_000);
    expect(bytesOf(first)).toBe(30);
    first?.write(new Uint8Array(5));
    world.pair.wake('relay');
    world.run(1_000);
    expect(bytesOf(fresh[0])).toBe(5);
  });

  test('when all its packets were sent under keys of the new run', () => {
    const { world, old } = connected();
    const [end] = world.incoming.relay as [Stream];
    for (const stream of [old, end]) stream.finish();
    for (const side of ['client', 'relay'] as const) world.pair.wake(side);
    world.run(1_000);
    for (const stream of [old, end]) bytesOf(stream);
    // Both sides are silent until their keys have expired.
    world.run(600_000);
    expect(world.take('client')).toEqual(['stream-closed 0']);
    world.start('relay');
    world.take('relay');
    world.open('client', 10);
    world.run(3_000);
    expect(world.take('client')).toEqual(['disconnected peer peer restarted', 'connected']);
    expect(world.lost.client).toEqual([0]);
    expect(world.take('relay')).toEqual(['connected', 'stream-opened 0']);
    expect(bytesOf(world.incoming.relay[1])).toBe(10);
  });

  test('when the relay knew only its id, because of a later stream', () => {
    const { world, old } = connected();
    const fresh = world.open('client', 0);
    world.open('client', 10);
    world.run(1_000);
    expect(world.take('relay')).toEqual(['stream-opened 2', 'stream-opened 4']);
    world.pair.setEndpoint('relay', undefined);
    world.write('client', old, 100);
    world.run(5_000);
    world.write('client', fresh, 10);
    world.start('relay');
    world.run(3_000);
    expect(world.take('relay')).toEqual(['connected', 'stream-opened 0']);
    expect(bytesOf(world.incoming.relay.at(-1))).toBe(10);
  });

  test('when the relay sent CLOSE before anything of it was sent', () => {
    const { world } = connected();
    world.endpoints.relay.close();
    world.pair.wake('relay');
    world.open('client', 10);
    // The client sends only after it has received CLOSE.
    world.pair.freeze('client', world.pair.now + 100);
    world.run(200);
    world.start('relay');
    world.run(10_000);
    expect(world.take('client').filter((event) => event.startsWith('stream'))).toEqual([
      'stream-reset 0 4',
      'stream-closed 0',
    ]);
    expect(bytesOf(world.incoming.relay.at(-1))).toBe(10);
  });
});

describe('a stream is lost', () => {
  // spec streams 3.8: "sealed under an earlier keypair"
  test('when the relay may have heard of it before it restarted', () => {
    const { world } = connected();
    world.pair.setEndpoint('relay', undefined);
    world.open('client', 10);
    world.run(5_000);
    world.start('relay');
    world.run(3_000);
    expect(world.take('client')).toContain('stream-reset 2 4');
    expect(world.lost.client).toEqual([2]);
    expect(world.take('relay')).toEqual(['connected']);
  });

  // spec streams 3.8: "RESET_STREAM of the peer has arrived on it"
  test.each<[string, number, (stream: Stream) => void]>([
    ['data', 5, (stream) => stream.write(new Uint8Array(5))],
    ['FIN', 0, (stream) => stream.finish()],
    ['a reset', 0, (stream) => stream.reset(0)],
  ])(
    'when %s of the relay has arrived on it, although the relay never had its request',
    (_, bytes, answer) => {
      const { world, old } = connected();
      const fresh = world.open('client', 0);
      // A later stream opens the earlier ones too.
      world.open('client', 10);
      world.run(1_000);
      answer(world.incoming.relay[1] as Stream);
      world.pair.wake('relay');
      world.run(1_000);
      expect(bytesOf(fresh)).toBe(bytes);
      world.pair.setEndpoint('relay', undefined);
      world.write('client', old, 100);
      world.run(5_000);
      world.write('client', fresh, 10);
      world.start('relay');
      world.take('relay');
      world.run(3_000);
      expect(world.take('client')).toContain('stream-reset 2 4');
      expect(world.take('relay')).toEqual(['connected']);
    },
  );

  test('when the program has given it up in the meantime', () => {
    const { world, old } = connected();
    world.pair.setEndpoint('relay', undefined);
    world.write('client', old, 100);
    world.run(5_000);
    const fresh = world.open('client', 10);
    fresh.reset(0);
    fresh.stopSending(0);
    world.run(1_000);
    world.start('relay');
    world.run(3_000);
    expect(world.lost.client).toEqual([2]);
    expect(world.take('relay')).toEqual(['connected']);
  });
});

// spec streams 3.8: "MUST NOT send the first bytes of any stream"
test('a stream that is opened while nothing is heard is sent when the same relay is heard again', () => {
  const blackouts = [{ from: 1_000, until: 30_000 }];
  const link = { ...PERFECT_LINK, blackouts };
  const { world, old } = connected(new World({ ...PERFECT_NETWORK, toRelay: link, toClient: link }));
  world.write('client', old, 100);
  world.run(5_000);
  const fresh = world.open('client', 10);
  world.pair.run(32_000);
  expect(fresh.bufferedBytes).toBe(0);
  expect(world.take('client')).toEqual([]);
  expect(world.take('relay')).toEqual(['stream-opened 2']);
});
