import { describe, expect, it } from 'vitest';
import { ASK_WHY_MS, NO_ANSWER_AGAIN_MS, NO_ANSWER_MS } from '../src/client-constants.js';
import type { ClientEvent } from '../src/client-options.js';
import { ContactReport } from '../src/contact-report.js';
import { FakeTimers } from './fake-timers.js';

const RELAY = { host: 'relay.example', port: 51_820 };
const ADDRESS = { address: '192.0.2.1', port: 51_820 };
const SOMEWHERE_ELSE = { address: '192.0.2.2', port: 51_820 };

/** @param answers  what the system says when it is asked about the port, the last one again and again */
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
  it('comes after 10 s and again every few minutes, with how many connections wait', async () => {
    const { report, timers, state } = setUp();
    report.begin();
    report.begin();
    await timers.runTo(NO_ANSWER_MS);
    state.waiting = 3;
    await timers.runTo(NO_ANSWER_MS + 2 * NO_ANSWER_AGAIN_MS);
    expect(state.events).toEqual([
      '10000 no answer for 10000, 0 wait, undefined',
      '190000 no answer for 190000, 3 wait, undefined',
      '370000 no answer for 370000, 3 wait, undefined',
    ]);
  });

  it('ends with the answer, and begins anew with the next silence', async () => {
    const { report, timers, state } = setUp();
    report.begin();
    await timers.runTo(NO_ANSWER_MS - 1);
    report.end();
    report.end();
    expect(timers.pending).toBe(0);
    await timers.runTo(NO_ANSWER_AGAIN_MS);
    report.begin(true);
    await timers.runTo(2 * NO_ANSWER_AGAIN_MS);
    expect(state.events).toEqual(['360000 no answer for 180000, 0 wait, undefined']);
  });

  it('says why when the system does not send, early and once', async () => {
    const { report, timers, state } = setUp();
    report.begin();
    for (let sent = 0; sent < 5; sent++) report.onSendError(ADDRESS, 'ENETUNREACH');
    await timers.runTo(NO_ANSWER_MS - 1);
    report.onSendError(ADDRESS, 'ENETUNREACH');
    await timers.runTo(NO_ANSWER_MS);
    expect(state.events).toEqual([
      `${ASK_WHY_MS} cannot-send ENETUNREACH`,
      '10000 no answer for 10000, 0 wait, cannot-send',
    ]);
  });

  it('says nothing of errors for another address: the dead one of two is no news', async () => {
    const { report, timers, state } = setUp();
    report.begin();
    report.onSendError(SOMEWHERE_ELSE, 'ENETUNREACH');
    await timers.runTo(NO_ANSWER_MS - 1);
    expect(state.events).toEqual([]);
  });

  it('says what the other side says, when that changes and no more often', async () => {
    const { report, timers, state } = setUp('ECONNREFUSED', 'ECONNREFUSED', 'EHOSTUNREACH');
    report.begin();
    await timers.runTo(NO_ANSWER_MS + NO_ANSWER_AGAIN_MS);
    expect(state.events).toEqual([
      `${ASK_WHY_MS} not-listening ECONNREFUSED`,
      '10000 no answer for 10000, 0 wait, not-listening',
      '190000 no answer for 190000, 0 wait, unreachable',
    ]);
  });

  it('names a name that does not resolve, once for each reason, until it does', async () => {
    const { report, timers, state } = setUp();
    report.begin();
    for (const code of ['EAI_AGAIN', 'EAI_AGAIN', 'ENOTFOUND']) report.onUnresolved('relay.example', 1, code);
    await timers.runTo(NO_ANSWER_MS);
    report.onResolved();
    await timers.runTo(NO_ANSWER_MS + NO_ANSWER_AGAIN_MS);
    expect(state.events).toEqual([
      '0 unresolved EAI_AGAIN',
      '0 unresolved ENOTFOUND',
      '10000 no answer for 10000, 0 wait, unresolved',
      '190000 no answer for 190000, 0 wait, undefined',
    ]);
  });

  it.each([
    ['asked early', ASK_WHY_MS],
    ['asked for a report', NO_ANSWER_MS],
  ])('is not told of an answer that came while the question was open, %s', async (_when, at) => {
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
    await timers.runTo(ASK_WHY_MS);
    if (at > ASK_WHY_MS) answer(undefined);
    await timers.runTo(at);
    report.end();
    answer('ECONNREFUSED');
    await timers.runTo(NO_ANSWER_AGAIN_MS);
    expect([events, timers.pending]).toEqual([[], 0]);
  });
});
