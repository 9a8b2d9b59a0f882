import type { Address } from '@underpass/protocol';
import { TransmitBatch } from '@underpass/protocol';
import { describe, expect, it } from 'vitest';
import type { DatagramListener, DatagramSocket } from '../src/datagram-socket.js';
import { tapped } from '../src/tapped-socket.js';

const PEER: Address = { address: '192.0.2.1', port: 51820 };

describe('a tapped socket', () => {
  it('shows a batch as single datagrams', () => {
    const { socket, seen } = tap();
    const batch = new TransmitBatch();
    batch.buffer.set(Buffer.from('abcabcab'));
    Object.assign(batch, { lengthBytes: 8, segmentBytes: 3, to: PEER });
    socket.send(batch);
    socket.answer(Buffer.from('cookie'), { ...PEER, local: '192.0.2.9' });
    expect(seen).toEqual([
      'sent abc :: > 192.0.2.1',
      'sent abc :: > 192.0.2.1',
      'sent ab :: > 192.0.2.1',
      'passed on 8',
      'sent cookie 192.0.2.9 > 192.0.2.1',
      'passed on cookie',
    ]);
  });

  it('shows what arrives before the listener opens it in place', () => {
    const { socket, seen, arrive } = tap();
    socket.listen({ onDatagram: (datagram) => void datagram.fill(0), onBatchFree: () => {} });
    arrive(Buffer.from('sealed'));
    expect(seen).toEqual(['received sealed 192.0.2.1 > ::']);
  });

  it('passes on everything that its listener has to know', () => {
    const { socket, inside } = tap();
    const heard: unknown[] = [];
    socket.listen({
      onDatagram: (datagram, from, isCoalesced) => heard.push([textOf(datagram), from, isCoalesced]),
      onBatchFree: () => heard.push('batch free'),
      onTooLarge: (to, bytes) => heard.push([to, bytes]),
      onSendError: (to, code) => heard.push([to, code]),
    });
    inside().onDatagram(Buffer.from('sealed'), PEER, true);
    inside().onBatchFree();
    inside().onTooLarge?.(PEER, 1472);
    inside().onSendError?.(PEER, 'EPERM');
    expect(heard).toEqual([['sealed', PEER, true], 'batch free', [PEER, 1472], [PEER, 'EPERM']]);
  });

  it('shows every type of message, and passes on a batch that has no destination without showing it', () => {
    const { socket, seen, arrive } = tap();
    socket.listen({ onDatagram: () => {}, onBatchFree: () => {} });
    arrive(Buffer.from('\u0004packet'));
    const batch = new TransmitBatch();
    batch.buffer.set(Buffer.from('\u0004sent'));
    Object.assign(batch, { lengthBytes: 5, segmentBytes: 5, to: undefined });
    socket.send(batch);
    socket.send(Object.assign(batch, { to: PEER }));
    expect(seen).toEqual([
      'received \u0004packet 192.0.2.1 > ::',
      'passed on 5',
      'sent \u0004sent :: > 192.0.2.1',
      'passed on 5',
    ]);
  });

  it('shows only handshakes to a tap that wants nothing else', () => {
    const { socket, seen, arrive } = tap(true);
    socket.listen({ onDatagram: () => {}, onBatchFree: () => {} });
    const batch = new TransmitBatch();
    for (const [type, text] of [
      [1, '\u0001initiation'],
      [4, '\u0004packet'],
    ] as const) {
      batch.buffer.set(Buffer.from(text));
      Object.assign(batch, { lengthBytes: text.length, segmentBytes: text.length, to: PEER });
      socket.send(batch);
      socket.answer(Buffer.from(text), PEER);
      arrive(Buffer.from(text));
      expect(batch.buffer[0]).toBe(type);
    }
    expect(seen.filter((line) => !line.startsWith('passed on'))).toEqual([
      'sent \u0001initiation :: > 192.0.2.1',
      'sent \u0001initiation :: > 192.0.2.1',
      'received \u0001initiation 192.0.2.1 > ::',
    ]);
    expect(seen.filter((line) => line.startsWith('passed on'))).toHaveLength(4);
  });

  it('is the socket itself when nobody watches', () => {
    const { inner } = tap();
    expect(tapped(inner, undefined)).toBe(inner);
  });
});

function tap(onlyHandshakes = false) {
  const seen: string[] = [];
  let listener: DatagramListener | undefined;
  const inner: DatagramSocket = {
    address: { address: '::', port: 4000 },
    kind: 'native',
    refusesFragmentation: true,
    segments: false,
    coalesces: false,
    mayAnswerFromAnotherAddress: false,
    sendErrors: {},
    listen: (given) => {
      listener = given;
    },
    acquireBatch: () => undefined,
    releaseBatch: () => {},
    send: ({ lengthBytes }) => void seen.push(`passed on ${lengthBytes}`),
    answer: (datagram) => void seen.push(`passed on ${textOf(datagram)}`),
    close: () => Promise.resolve(),
  };
  const note = (what: string) => (datagram: Uint8Array, from: Address, to: Address) => {
    seen.push(`${what} ${textOf(datagram)} ${from.address} > ${to.address}`);
  };
  const socket = tapped(inner, {
    onlyHandshakes,
    onReceived: note('received'),
    onSent: note('sent'),
  });
  return {
    socket,
    inner,
    seen,
    /** What the socket inside calls. */
    inside: (): DatagramListener => {
      if (listener === undefined) throw new Error('nobody listens');
      return listener;
    },
    arrive: (datagram: Uint8Array) => listener?.onDatagram(datagram, PEER, false),
  };
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}
