import {
  type Carried,
  CLIENT_ADDRESS,
  EventQueue,
  type LinkConditions,
  PERFECT_LINK,
  PERFECT_NETWORK,
  RELAY_ADDRESS,
  REPLAYER_ADDRESS,
  SeededRandom,
  SimulatedNetwork,
} from '@underpass/testkit/simulation';
import { describe, expect, test } from 'vitest';

/** A network with a delay of 10 ms that is watched. */
function watch(link: Partial<LinkConditions> = {}) {
  const queue = new EventQueue();
  const carried: Carried[] = [];
  const fates: string[] = [];
  const delivered: string[] = [];
  const network: SimulatedNetwork = new SimulatedNetwork(
    { ...PERFECT_NETWORK, toRelay: { ...PERFECT_LINK, ...link } },
    new SeededRandom(1),
    queue,
    (to, [byte], from) => delivered.push(`${byte} to ${to} from ${from.address} at ${queue.now}`),
    undefined,
    {
      onCarried: (copy) => carried.push(copy),
      onArrived: ({ state }) => fates.push(state),
      onLost: (_target, _datagram, reason) => fates.push(reason),
    },
  );
  const send = (byte: number) => network.send('client', RELAY_ADDRESS, new Uint8Array(100).fill(byte));
  const finish = () => {
    while (queue.runNext());
    return { carried, fates, delivered };
  };
  return { queue, network, carried, send, finish };
}

describe('a watched network', () => {
  test('shows each copy when it leaves and when it has arrived', () => {
    const { send, finish } = watch({ bytesPerMs: 100, queueBytes: 1000 });
    send(1);
    send(2);
    const { carried, fates } = finish();
    expect(carried).toMatchObject([
      { from: CLIENT_ADDRESS, to: RELAY_ADDRESS, sentAt: 0, departsAt: 1, arrivesAt: 11 },
      { sentAt: 0, departsAt: 2, arrivesAt: 12 },
    ]);
    expect(fates).toEqual(['delivered', 'delivered']);
  });

  test.each<[string, Partial<LinkConditions>]>([
    ['loss', { lossChance: 1 }],
    ['burst', { burstChance: 1, burstMs: 10 }],
    ['blackout', { blackouts: [{ from: 0, until: 1 }] }],
    ['too-large', { pathBytes: [{ from: 0, maxBytes: 99 }] }],
    ['queue-full', { bytesPerMs: 1, queueBytes: 99 }],
  ])('says that it lost a datagram because of %s', (reason, link) => {
    const { send, finish } = watch(link);
    send(1);
    expect(finish()).toEqual({ carried: [], fates: [reason], delivered: [] });
  });

  test('drops a copy that is under way', () => {
    const { network, carried, send, finish } = watch();
    send(1);
    network.drop(carried[0] as Carried);
    expect(finish()).toMatchObject({ fates: [], delivered: [], carried: [{ state: 'dropped' }] });
    expect(network.counts).toMatchObject({ lost: 1, delivered: 0 });
  });

  test('delays and changes a copy that is under way', () => {
    const { network, carried, send, finish } = watch();
    send(1);
    send(2);
    network.change(carried[0] as Carried, { laterMs: 5, bytes: new Uint8Array([7]) });
    expect(finish().delivered).toEqual([
      '2 to relay from 192.0.2.1 at 10',
      '7 to relay from 192.0.2.1 at 15',
    ]);
  });

  test('carries a datagram that no process has sent', () => {
    const { network, finish } = watch({ lossChance: 1 });
    network.inject('relay', new Uint8Array([9]), REPLAYER_ADDRESS);
    expect(finish().delivered).toEqual(['9 to relay from 203.0.113.200 at 10']);
  });

  test('loses what was sent to an address that the client has left', () => {
    const { network, finish } = watch();
    network.send('relay', CLIENT_ADDRESS, new Uint8Array([1]));
    network.moveClient({ address: '192.0.2.2', port: 1 });
    expect(finish()).toMatchObject({ fates: ['misdirected'], delivered: [] });
  });

  test('keeps to new conditions from then on', () => {
    const { network, send, finish } = watch();
    send(1);
    network.setConditions({ ...network.conditions, toRelay: { ...PERFECT_LINK, lossChance: 1 } });
    send(2);
    expect(finish().fates).toEqual(['loss', 'delivered']);
  });
});
