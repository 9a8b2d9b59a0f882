import { describe, expect, it } from 'vitest';
import { FIND_CAUSE_MS, NO_ANSWER_INTERVAL_MS, NO_ANSWER_MS } from '../src/client-constants.js';
import type { ClientEvent } from '../src/client-options.js';
import { ContactReport } from '../src/contact-report.js';
import { FakeTimers } from './fake-timers.js';

const RELAY = { host: 'relay.example', port: 51_820 };
const ADDRESS = { address: '192.0.2.1', port: 51_820 };
const SOMEWHERE_ELSE = { address: '192.0.2.2', port: 51_820 };

/** @param answers  the result of each probe of the port; the last one is repeated */
function setUp(...answers: readonly (string | undefined)[]) {
  const timers = new FakeTimers();
  const events: string[] = [];
  const state = { asked: 0, waiting: 0, events };
  const report = new ContactReport({
    relay: RELAY,
    emit: (event) => events.push(`${timers.now} ${textOf(event)}`),
    address: () => ADDRESS,
    probePort: async () => answers[state.asked++] ?? answers.at(-1),
    waitingConnections: () => state.waiting,
    now: () => timers.now,
    timers,
  });
  return { report, timers, state };
}

function textOf(event: ClientEvent): string {
  if (event.type === 'contact-problem') return `${event.problem.kind} ${event.problem.code}`;
  if (event.type !== 'no-answer') return event.type;
  const { silentMs, waitingConnections, problem } = event;
  return `no answer for ${silentMs}, ${waitingConnections} wait, ${problem?.kind}`;
}

describe('the report of silence (spec outage 9)', () => {
  it('is emitted after 10 s and then every few minutes, with the number of waiting connections', async () => {
    const { report, timers, state } = setUp();
    report.begin();
    report.begin();
    await timers.runTo(NO_ANSWER_MS);
    state.waiting = 3;
    await timers.runTo(NO_ANSWER_MS + 2 * NO_ANSWER_INTERVAL_MS);
    expect(state.events).toEqual([
      '10000 no answer for 10000, 0 wait, undefined',
      '190000 no answer for 190000, 3 wait, undefined',
      '370000 no answer for 370000, 3 wait, undefined',
    ]);
  });

  it('ends with an answer, and starts again with the next silence', async () => {
    const { report, timers, state } = setUp();
    report.begin();
    await timers.runTo(NO_ANSWER_MS - 1);
    report.end();
    report.end();
    expect(timers.pending).toBe(0);
    await timers.runTo(NO_ANSWER_INTERVAL_MS);
    report.begin(true);
    await timers.runTo(2 * NO_ANSWER_INTERVAL_MS);
    expect(state.events).toEqual(['360000 no answer for 180000, 0 wait, undefined']);
  });

  it('names the last refusal of the system, also after one for an address that was tried before', async () => {
    const { report, timers, state } = setUp('ECONNREFUSED');
    report.begin();
    report.onSendError(SOMEWHERE_ELSE, 'ENETUNREACH');
    report.onSendError(ADDRESS, 'EPERM');
    await timers.runTo(FIND_CAUSE_MS);
    expect([state.events, state.asked]).toEqual([[`${FIND_CAUSE_MS} cannot-send EPERM`], 0]);
  });

  it('says once, early on, that this system refuses to send', async () => {
    const { report, timers, state } = setUp();
    report.begin();
    for (let sent = 0; sent < 5; sent++) report.onSendError(ADDRESS, 'ENETUNREACH');
    await timers.runTo(NO_ANSWER_MS - 1);
    report.onSendError(ADDRESS, 'ENETUNREACH');
    await timers.runTo(NO_ANSWER_MS);
    expect(state.events).toEqual([
      `${FIND_CAUSE_MS} cannot-send ENETUNREACH`,
      '10000 no answer for 10000, 0 wait, cannot-send',
    ]);
  });

  it('reports a send error once: the next round finds what is wrong then', async () => {
    const { report, timers, state } = setUp('ECONNREFUSED');
    report.begin();
    report.onSendError(ADDRESS, 'ENETUNREACH');
    await timers.runTo(NO_ANSWER_MS);
    expect(state.events.at(-1)).toContain('not-listening');
    expect(state.events.filter((event) => event.includes('cannot-send'))).toHaveLength(1);
  });

  it('reports a cause again only when it is another one: of its kind, its address or its code', async () => {
    const { report, state } = setUp();
    report.begin();
    const unresolved = (host: string, port: number, code: string) => report.onUnresolved(host, port, code);
    unresolved('relay.example', 1, 'EAI_AGAIN');
    unresolved('relay.example', 1, 'EAI_AGAIN');
    expect(state.events).toHaveLength(1);
    unresolved('relay.example', 1, 'ENOTFOUND');
    unresolved('other.example', 1, 'ENOTFOUND');
    expect(state.events).toHaveLength(3);
    report.end();
  });

  it('ignores send errors for addresses that are not in use', async () => {
    const { report, timers, state } = setUp();
    report.begin();
    report.onSendError(SOMEWHERE_ELSE, 'ENETUNREACH');
    await timers.runTo(NO_ANSWER_MS - 1);
    expect(state.events).toEqual([]);
  });

  it('forgets every cause when the relay answers', async () => {
    const { report, timers, state } = setUp(undefined);
    report.begin();
    report.onSendError(ADDRESS, 'ENETUNREACH');
    report.end();
    report.begin();
    await timers.runTo(NO_ANSWER_MS - 1);
    report.onUnresolved(RELAY.host, RELAY.port, 'EAI_AGAIN');
    report.end();
    report.begin(true);
    await timers.runTo(NO_ANSWER_MS - 1 + NO_ANSWER_INTERVAL_MS);
    expect(state.events).toEqual([
      '9999 unresolved EAI_AGAIN',
      '189999 no answer for 180000, 0 wait, undefined',
    ]);
  });

  it('names a cause again in the next silence', async () => {
    const { report, timers, state } = setUp('ECONNREFUSED');
    for (const start of [0, NO_ANSWER_MS]) {
      report.begin();
      await timers.runTo(start + NO_ANSWER_MS - 1);
      report.end();
      await timers.runTo(start + NO_ANSWER_MS);
    }
    const seen = `not-listening ECONNREFUSED`;
    expect(state.events).toEqual([`${FIND_CAUSE_MS} ${seen}`, `${NO_ANSWER_MS + FIND_CAUSE_MS} ${seen}`]);
  });

  it('names the error of the other machine whenever it changes', async () => {
    const { report, timers, state } = setUp('ECONNREFUSED', 'ECONNREFUSED', 'EHOSTUNREACH');
    report.begin();
    await timers.runTo(NO_ANSWER_MS + NO_ANSWER_INTERVAL_MS);
    expect(state.events).toEqual([
      `${FIND_CAUSE_MS} not-listening ECONNREFUSED`,
      '10000 no answer for 10000, 0 wait, not-listening',
      '190000 no answer for 190000, 0 wait, unreachable',
    ]);
  });

  it('says that the name does not resolve, once for each reason, until it does', async () => {
    const { report, timers, state } = setUp();
    report.begin();
    for (const code of ['EAI_AGAIN', 'EAI_AGAIN', 'ENOTFOUND']) report.onUnresolved('relay.example', 1, code);
    await timers.runTo(NO_ANSWER_MS);
    report.onResolved();
    await timers.runTo(NO_ANSWER_MS + NO_ANSWER_INTERVAL_MS);
    expect(state.events).toEqual([
      '0 unresolved EAI_AGAIN',
      '0 unresolved ENOTFOUND',
      '10000 no answer for 10000, 0 wait, unresolved',
      '190000 no answer for 190000, 0 wait, undefined',
    ]);
  });

  it.each([
    ['early on', FIND_CAUSE_MS],
    ['before a report', NO_ANSWER_MS],
  ])('is not emitted if an answer arrives during the probe, %s', async (_when, at) => {
    const timers = new FakeTimers();
    const events: ClientEvent[] = [];
    let answer: (code: string | undefined) => void = () => {};
    const report = new ContactReport({
      relay: RELAY,
      emit: (event) => events.push(event),
      address: () => ADDRESS,
      probePort: () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
      waitingConnections: () => 0,
      now: () => timers.now,
      timers,
    });
    report.begin();
    await timers.runTo(FIND_CAUSE_MS);
    if (at > FIND_CAUSE_MS) answer(undefined);
    await timers.runTo(at);
    report.end();
    answer('ECONNREFUSED');
    await timers.runTo(NO_ANSWER_INTERVAL_MS);
    expect([events, timers.pending]).toEqual([[], 0]);
  });
});
