import { StreamErrorCode } from '@underpass/protocol';
import type { StreamHandler } from '@underpass/runtime';
import { describe, expect, it } from 'vitest';
import { MAX_MESSAGE_WAIT_MS, MAX_WAITING_MESSAGES } from '../src/forward-constants.js';
import { OutgoingFlow } from '../src/outgoing-flow.js';
import { encodeRequest, encodeStatus, type StreamRequest } from '../src/request.js';
import { FakeStream } from './fake-stream.js';

const REQUEST: StreamRequest = { kind: 'udp', host: 'dns.example', port: 53 };
const bytes = (text: string) => Buffer.from(text);

function setUp(stream = new FakeStream()) {
  const heard: string[] = [];
  const clock = { now: 0 };
  let handler: StreamHandler = {};
  const flow = new OutgoingFlow(stream, {
    tunnel: {
      attach: (_stream, attached) => {
        handler = attached;
      },
      wake: () => undefined,
    },
    request: REQUEST,
    now: () => clock.now,
    onMessage: (message) => heard.push(`message ${Buffer.from(message)}`),
    observer: {
      onRefused: (status) => heard.push(status),
      onTooLarge: (length, maxBytes) => heard.push(`${length} above ${maxBytes}`),
      onEnd: ({ bytesSent, bytesReceived, clean }) => {
        heard.push(`ended ${bytesSent} ${bytesReceived} ${clean}`);
      },
    },
  });
  const answer = (...args: Parameters<typeof encodeStatus>) => {
    stream.arrive(encodeStatus(...args));
    handler.onReadable?.();
  };
  return { flow, stream, heard, clock, answer, handler: () => handler };
}

const sent = ({ sentDatagrams }: FakeStream) => sentDatagrams.map(String);

describe('a flow at the client', () => {
  it('asks at once, and sends messages when the relay has answered (spec datagrams 1.2: "MUST NOT send DATAGRAM before it knows")', () => {
    const { flow, stream, answer } = setUp();
    expect(stream.written.equals(Buffer.from(encodeRequest(REQUEST)))).toBe(true);
    flow.send(bytes('one'));
    flow.send(bytes('two'));
    expect(sent(stream)).toEqual([]);
    answer('opened');
    flow.send(bytes('three'));
    expect(sent(stream)).toEqual(['one', 'two', 'three']);
  });

  it('sends them with the request if the relay has sent messages before', () => {
    const known = new FakeStream();
    known.peerKnowsDatagrams = true;
    const { flow, stream, answer } = setUp(known);
    flow.send(bytes('one'));
    expect(sent(stream)).toEqual(['one']);
    answer('opened');
    expect(sent(stream)).toEqual(['one']);
  });

  it('sends each message at the time of now, also one that has waited', () => {
    const { flow, stream, answer, clock } = setUp();
    const times: number[] = [];
    stream.sendDatagram = (now) => {
      times.push(now);
      return 'queued';
    };
    flow.send(bytes('waits'));
    clock.now += 100;
    answer('opened');
    clock.now += 100;
    flow.send(bytes('more'));
    expect(times).toEqual([clock.now - 100, clock.now]);
  });

  it('keeps the newest messages while it waits, and none for too long', () => {
    const { flow, stream, answer, clock } = setUp();
    flow.send(bytes('old'));
    for (let n = 0; n < MAX_WAITING_MESSAGES; n++) flow.send(bytes(String(n)));
    clock.now += MAX_MESSAGE_WAIT_MS;
    flow.send(bytes('new'));
    answer('opened');
    expect(sent(stream)).toEqual(['new']);
    const second = setUp();
    for (let n = 0; n <= MAX_WAITING_MESSAGES; n++) second.flow.send(bytes(String(n)));
    second.answer('opened');
    expect(sent(second.stream)).toEqual(
      Array.from({ length: MAX_WAITING_MESSAGES }, (_, n) => String(n + 1)),
    );
  });

  it('passes on what arrives, and ends with the relay FIN', () => {
    const { flow, stream, heard, answer, handler } = setUp();
    answer('opened');
    flow.send(bytes('one'));
    stream.arrivedDatagrams.push(bytes('answer'));
    handler().onDatagrams?.();
    stream.arriveFin();
    handler().onReadable?.();
    expect(heard).toEqual(['message answer', 'ended 3 6 true']);
    expect([flow.isOver, stream.finished, stream.stopCode]).toEqual([true, true, StreamErrorCode.cancelled]);
    flow.send(bytes('two'));
    expect(sent(stream)).toEqual(['one']);
  });

  it('reports a refusal, also if the stop is heard before the status', () => {
    const { flow, heard, answer, handler } = setUp();
    flow.send(bytes('one'));
    handler().onStopped?.(StreamErrorCode.refused);
    expect(heard).toEqual([]);
    answer('not-allowed');
    expect(heard).toEqual(['not-allowed', 'ended 0 0 false']);
    expect([flow.isOver, flow.isRefused]).toEqual([true, true]);
  });

  it('is refused when the stream ends without a status, but not when the connection is lost', () => {
    const first = setUp();
    first.handler().onReset?.(StreamErrorCode.internal);
    expect(first.heard).toEqual(['internal-error', 'ended 0 0 false']);
    const second = setUp();
    second.handler().onReset?.(StreamErrorCode.connectionLost);
    second.handler().onClosed?.();
    expect(second.heard).toEqual(['ended 0 0 false']);
    expect([second.flow.isOver, second.flow.isRefused]).toEqual([true, false]);
  });

  it('ends cleanly when either side ends it, and not when the connection is lost', () => {
    const ends = (end: (parts: ReturnType<typeof setUp>) => void): string | undefined => {
      const parts = setUp();
      parts.answer('opened');
      end(parts);
      return parts.heard.at(-1);
    };
    expect(ends(({ flow }) => flow.end())).toBe('ended 0 0 true');
    expect(ends(({ handler }) => handler().onStopped?.(StreamErrorCode.cancelled))).toBe('ended 0 0 true');
    expect(ends(({ handler }) => handler().onReset?.(StreamErrorCode.connectionLost))).toBe(
      'ended 0 0 false',
    );
  });

  it('reports the first message that is too large', () => {
    const { flow, heard, answer } = setUp();
    answer('opened');
    flow.send(new Uint8Array(1041));
    flow.send(new Uint8Array(1041));
    flow.end();
    expect(heard).toEqual(['1041 above 1040', 'ended 0 0 true']);
  });

  it('ends when its stream closes, and is refused if that is all it hears', () => {
    const first = setUp();
    first.handler().onClosed?.();
    expect(first.heard).toEqual(['internal-error', 'ended 0 0 false']);
    const second = setUp();
    second.answer('opened');
    expect([second.flow.isRefused, second.flow.isOver]).toEqual([false, false]);
    second.handler().onClosed?.();
    expect(second.heard).toEqual(['ended 0 0 true']);
  });

  it('reads its status when the relay stops reading, and nothing behind it', () => {
    const refused = setUp();
    refused.stream.arrive(encodeStatus('unreachable'));
    refused.handler().onStopped?.(StreamErrorCode.refused);
    expect(refused.heard).toEqual(['unreachable', 'ended 0 0 false']);
    const opened = setUp();
    opened.answer('opened');
    opened.answer('not-allowed'); // which no relay should say here
    expect([opened.heard, opened.flow.isRefused]).toEqual([[], false]);
  });

  it('passes on nothing that arrives after its end, and sends nothing that waited', () => {
    const { flow, stream, heard, answer, handler } = setUp();
    flow.send(bytes('waits'));
    flow.end();
    stream.arrivedDatagrams.push(bytes('late'));
    handler().onDatagrams?.();
    answer('opened');
    expect([heard, sent(stream)]).toEqual([['ended 0 0 false'], []]);
  });

  it('reports a message that is too large once, whatever comes between', () => {
    const { flow, heard, answer } = setUp();
    answer('opened');
    for (const length of [2000, 10, 3000]) flow.send(new Uint8Array(length));
    expect(heard).toEqual(['2000 above 1040']);
  });

  it('wakes the driver after each thing that it sends, and reports that it was opened', () => {
    const stream = new FakeStream();
    const heard: string[] = [];
    let handler: StreamHandler = {};
    const tunnel = {
      attach: (_stream: unknown, attached: StreamHandler) => {
        handler = attached;
      },
      wake: () => heard.push('woken'),
    };
    const observer = {
      onOpened: () => heard.push('opened'),
      onRefused: (status: string) => heard.push(status),
      onTooLarge: () => undefined,
      onEnd: () => heard.push('ended'),
    };
    const flow = new OutgoingFlow(stream, {
      tunnel,
      request: REQUEST,
      now: () => 0,
      onMessage: () => undefined,
      observer,
    });
    const happens = (act: () => void) => {
      heard.length = 0;
      act();
      return heard;
    };
    expect(heard).toEqual(['woken']);
    expect(happens(() => flow.send(bytes('waits')))).toEqual([]);
    stream.arrive(encodeStatus('opened'));
    expect(happens(() => handler.onReadable?.())).toEqual(['opened', 'woken']);
    expect(happens(() => flow.send(bytes('more')))).toEqual(['woken']);
    expect(happens(() => flow.end())).toEqual(['ended', 'woken']);
    expect(happens(() => flow.end())).toEqual([]);
  });
});
