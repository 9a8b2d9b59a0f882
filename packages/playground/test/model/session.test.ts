import { describe, expect, it } from 'vitest';
import type { Deed } from '../../src/model/actions.js';
import { EMPTY_PLAN, type Plan, readPlan, writePlan } from '../../src/model/plan.js';
import { Session } from '../../src/model/session.js';

const UPLOAD: Deed = { kind: 'upload', client: 1, bytes: 60_000 };

function start(plan: Partial<Plan> = {}): Session {
  return new Session({ ...EMPTY_PLAN, ...plan });
}

/** Every kind of action, far enough apart for each to have an effect. */
const EVERYTHING: Deed[] = [
  UPLOAD,
  { kind: 'link', setting: 'lossPercent', value: 5 },
  { kind: 'peer' },
  { kind: 'download', client: 2, bytes: 30_000 },
  { kind: 'replay', datagram: 4 },
  { kind: 'forge', datagram: 4 },
  { kind: 'duplicate', datagram: 4 },
  { kind: 'reader', node: 0, kilobytesPerSecond: 20 },
  { kind: 'move', client: 1 },
  { kind: 'rebind', client: 2 },
  { kind: 'rekey', node: 1 },
  { kind: 'clock', node: 1, seconds: -30 },
  { kind: 'blackout', ms: 200 },
  { kind: 'restart', node: 0 },
  { kind: 'flood', ms: 200, perSecond: 100 },
];

describe('a session', () => {
  it('connects by itself, and carries an upload to its end', () => {
    const session = start();
    session.act(UPLOAD);
    session.advance(3000);
    const [transfer] = session.run.relay.application.transfers;
    expect(transfer).toMatchObject({ request: 'PUT 60000', read: 60_000, end: 'closed' });
    expect(session.run.problem).toBeUndefined();
  });

  it('carries a download to its end', () => {
    const session = start();
    session.act({ kind: 'download', client: 1, bytes: 50_000 });
    session.advance(3000);
    expect(session.run.clients[0]?.application.transfers).toMatchObject([{ read: 50_000, end: 'closed' }]);
  });

  it('is the same after it was written to a link and read again', () => {
    const session = start();
    for (const [i, deed] of EVERYTHING.entries()) {
      session.advance(300 * (i + 1));
      session.act(deed);
    }
    session.advance(9000);
    expect(session.run.problem).toBeUndefined();
    const { plan } = session;
    const read = readPlan(writePlan(plan));
    if ('problem' in read) return expect.unreachable(read.problem);
    expect(read.plan).toEqual(plan);
    const again = new Session(read.plan);
    expect(again.run.world.digest.value).toBe(plan.digest);
    expect(again.run.history.happenings).toEqual(session.run.history.happenings);
    expect(again.run.history.datagrams.length).toBe(session.run.history.datagrams.length);
  });

  it('is the same however it was stepped through, looked at, and gone back in', () => {
    const plan = start({ at: 0 });
    plan.act(UPLOAD);
    plan.advance(100);
    plan.act({ kind: 'link', setting: 'lossPercent', value: 10 });
    plan.advance(2000);
    const { digest } = plan.plan;
    const other = start({ actions: plan.actions });
    for (let i = 0; i < 40; i++) {
      other.step();
      for (const { peers } of [other.run.relay, ...other.run.clients]) for (const peer of peers) peer.view;
    }
    other.goTo(1500);
    other.goTo(300);
    other.stepBack();
    other.advance(777.7);
    other.advance(plan.plan.at);
    expect(other.plan.digest).toBe(digest);
  });

  it('drops a datagram under way, which is then sent again', () => {
    const session = start();
    session.advance(5);
    session.act({ kind: 'drop', datagram: 1 });
    session.advance(2000);
    const { history } = session.run;
    expect(history.get(1)).toMatchObject({ fate: 'dropped', endsAt: 5 });
    expect(history.get(2)).toMatchObject({ fate: 'delivered', lane: 0, target: 'relay' });
    expect(session.run.clients[0]?.peers[0]?.stats().connected).toBe(true);
  });

  it('goes back to before an action, and forward through it again', () => {
    const session = start();
    session.advance(5);
    session.act({ kind: 'drop', datagram: 1 });
    session.advance(100);
    session.goTo(4);
    expect(session.run.history.get(1)?.fate).toBe('under-way');
    expect(session.ahead).toHaveLength(1);
    session.advance(100);
    expect(session.run.history.get(1)?.fate).toBe('dropped');
  });

  it('discards what lies ahead when something else is done', () => {
    const session = start();
    session.advance(5);
    session.act({ kind: 'drop', datagram: 1 });
    session.goTo(2);
    session.act({ kind: 'delay', datagram: 1, ms: 7 });
    session.advance(1000);
    expect(session.actions).toEqual([{ kind: 'delay', datagram: 1, ms: 7, at: 2 }]);
    expect(session.run.history.get(1)).toMatchObject({ fate: 'delivered' });
  });

  it('stops with a reason at its limits', () => {
    const session = start({ actions: [{ kind: 'flood', ms: 10_000, perSecond: 1000, at: 0 }] });
    for (let i = 1; i < 4; i++) session.act({ kind: 'flood', ms: 10_000, perSecond: 1000 });
    session.advance(30_000);
    expect(session.run.problem).toContain('full');
    expect(session.run.history.datagrams.length).toBeLessThanOrEqual(20_000);
    const crowded = start();
    for (let i = 0; i < 200; i++) expect(crowded.act({ kind: 'rekey', node: 1 })).toBe(true);
    expect(crowded.act({ kind: 'rekey', node: 1 })).toBe(false);
  });

  it('says when an action has no effect', () => {
    const session = start();
    session.advance(500);
    session.act({ kind: 'drop', datagram: 1 });
    session.act({ kind: 'replay', datagram: 19_000 });
    session.act({ kind: 'restart', node: 3 });
    expect(session.run.history.happenings.slice(-3).map(({ text }) => text)).toEqual([
      'You dropped datagram 1: it is not under way',
      'You sent a copy of datagram 19000 from another address: it does not exist',
      'You restarted client 3: it does not run',
    ]);
  });
});
