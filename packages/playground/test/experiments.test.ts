/** Each experiment shows in the model what its text says. The figures here are those of the explanations. */
import { describe, expect, it } from 'vitest';
import { EXPERIMENTS } from '../src/experiments/index.js';
import { Explainer } from '../src/model/explainer.js';
import type { Datagram } from '../src/model/history.js';
import { readPlan } from '../src/model/plan.js';
import type { Process } from '../src/model/process.js';
import { Session } from '../src/model/session.js';

function open(name: string): Session {
  const experiment = EXPERIMENTS.find((one) => one.name === name);
  const read = readPlan(experiment?.link ?? '');
  if ('problem' in read) throw new Error(`${name} ${read.problem}`);
  return new Session(read.plan);
}

const datagramsOf = ({ run }: Session) => run.history.datagrams;
const readBy = (process: Process | undefined, i = 0) => process?.application.transfers[i]?.read ?? 0;
const happenings = ({ run }: Session) =>
  run.history.happenings.map(({ at, text }) => `${at.toFixed(0)} ${text}`);

/** When something is first true, in steps of a few ms. */
function waitFor(session: Session, isTrue: () => boolean, untilMs: number, stepMs = 5): number {
  while (!isTrue()) {
    if (session.now >= untilMs) throw new Error(`not before ${untilMs} ms`);
    session.advance(session.now + stepMs);
  }
  return session.now;
}

describe('the experiments', () => {
  it('are twelve, with names of their own, and each has one right answer', () => {
    expect(new Set(EXPERIMENTS.map(({ name }) => name)).size).toBe(12);
    for (const { name, answers, right, spec } of EXPERIMENTS) {
      expect(answers[right], name).toBeDefined();
      expect(spec).toMatch(/^[a-z]+ \d/);
    }
  });

  it('lost-handshake: the same message again after 400 ms', () => {
    const session = open('lost-handshake');
    session.advance(1000);
    const [first, second] = datagramsOf(session) as [Datagram, Datagram];
    expect(first).toMatchObject({ fate: 'dropped', endsAt: 5 });
    expect(second).toMatchObject({ target: 'relay', sentAt: 400, fate: 'delivered' });
    expect(second.bytes).toEqual(first.bytes);
    expect(readBy(session.run.relay)).toBe(20_000);
  });

  it('replay: the copy has no effect, and the address does not move', () => {
    const session = open('replay');
    session.advance(2000);
    const copy = datagramsOf(session).find(({ origin }) => origin === 'replay');
    expect(copy).toMatchObject({ sentAt: 500, refused: 'replayed-counter' });
    expect(session.run.relay.peers[0]?.address).toMatchObject({ address: '192.0.2.1' });
    expect(readBy(session.run.relay)).toBe(20_000);
  });

  it('forgery: nothing goes to the attacker', () => {
    const session = open('forgery');
    session.advance(3000);
    const forgery = datagramsOf(session).find(({ origin }) => origin === 'forgery');
    expect(forgery).toMatchObject({ sentAt: 500, refused: 'authentication-failed' });
    expect(datagramsOf(session).filter(({ to }) => to.address === forgery?.from.address)).toEqual([]);
  });

  it('cookie: the second client gets in during the flood, with a mac2', () => {
    const session = open('cookie');
    const connected = waitFor(
      session,
      () => session.run.clients[1]?.peers[0]?.stats().connected === true,
      4200,
    );
    expect(connected).toBeLessThan(4200);
    const ofClient = datagramsOf(session).filter(({ lane, origin }) => lane === 1 && origin === 'process');
    const [initiation, reply] = ofClient as [Datagram, Datagram];
    expect(initiation).toMatchObject({ sentAt: 1500, refused: 'cookie-required' });
    expect(reply.bytes[0]).toBe(3);
    const mac2 = ({ bytes }: Datagram) => bytes.subarray(-16).some((byte) => byte !== 0);
    const again = ofClient.find(({ bytes, refused }) => bytes[0] === 1 && refused === undefined) as Datagram;
    expect([mac2(initiation), mac2(again)]).toEqual([false, true]);
    const isStranger = ({ origin }: Datagram) => origin === 'flood';
    expect(
      datagramsOf(session).some(
        (one) => isStranger(one) && one.refused === undefined && one.fate === 'delivered',
      ),
    ).toBe(false);
  });

  it('new-address: the upload goes on, and the move is proven', () => {
    const session = open('new-address');
    const explainer = new Explainer(session.run);
    session.advance(2000);
    const labels = datagramsOf(session).map((one) => explainer.explain(one).label);
    expect(labels.some((label) => label.includes('PATH_CHALLENGE'))).toBe(true);
    expect(labels.some((label) => label.includes('PATH_RESPONSE'))).toBe(true);
    expect(datagramsOf(session).some(({ fate }) => fate === 'misdirected')).toBe(true);
    session.advance(3000);
    expect(readBy(session.run.relay)).toBe(1_000_000);
  });

  it('restart: the stream is reset at 5.3 s, and the two are connected again', () => {
    const session = open('restart');
    session.advance(6000);
    expect(datagramsOf(session).some(({ refused }) => refused === 'unknown-index')).toBe(true);
    expect(happenings(session)).toEqual(
      expect.arrayContaining([expect.stringMatching(/^5[23]\d\d Client 1: stream 0 was reset/)]),
    );
    expect(session.run.clients[0]?.peers[0]?.stats().connected).toBe(true);
  });

  it('slow-reader: the relay never holds more than 262 kB, and the pace is that of the reader', () => {
    const session = open('slow-reader');
    let held = 0;
    waitFor(
      session,
      () => {
        held = Math.max(held, session.run.relay.peers[0]?.stats().unreadBytes ?? 0);
        return readBy(session.run.relay) === 600_000;
      },
      14_000,
      20,
    );
    expect(held).toBeGreaterThan(200_000);
    expect(held).toBeLessThanOrEqual(262_144);
    expect(session.now).toBeGreaterThan(11_500);
  });

  it('mtu-black-hole: back to 1152 bytes after 0.45 s', () => {
    const session = open('mtu-black-hole');
    const size = () => session.run.clients[0]?.peers[0]?.stats().datagramBytes;
    session.advance(1500);
    expect(size()).toBe(1440);
    const fallenBack = waitFor(session, () => size() === 1152, 4000);
    expect(fallenBack - 1500).toBeGreaterThan(350);
    expect(fallenBack - 1500).toBeLessThanOrEqual(460);
    expect(datagramsOf(session).some(({ fate, bytes }) => fate === 'too-large' && bytes.length > 1300)).toBe(
      true,
    );
    waitFor(session, () => readBy(session.run.relay) === 1_500_000, 5000, 50);
  });

  it('one-percent: 1.0, 1.9 and 5.4 MB after 6 s', () => {
    const session = open('one-percent');
    session.advance(6000);
    const { relay, clients } = session.run;
    const megabytes = clients.map((_, i) =>
      ((relay.peers[i]?.stats().streamBytesReceived ?? 0) / 1e6).toFixed(1),
    );
    expect(megabytes).toEqual(['1.0', '1.9', '5.4']);
  });

  it('full-queue: half a second with CUBIC, 83 ms with BBR, and both deliver the same', () => {
    const session = open('full-queue');
    session.advance(6000);
    const stats = session.run.clients.slice(0, 2).map((client) => client.peers[0]?.stats());
    expect(stats[0]?.smoothedRttMs).toBeGreaterThan(400);
    expect(stats[1]?.smoothedRttMs).toBeLessThan(90);
    const [cubic = 0, bbr = 0] = session.run.relay.peers.map((peer) => peer.stats().streamBytesReceived);
    expect(Math.abs(cubic - bbr)).toBeLessThan(0.05 * bbr);
  });

  it('thirty-percent: 1.3 s in place of 0.9 s', () => {
    const session = open('thirty-percent');
    const isDone = () => session.run.clients[0]?.application.transfers[0]?.end === 'closed';
    const lossy = waitFor(session, isDone, 5000);
    expect(lossy / 1000).toBeCloseTo(1.3, 1);
    const { setup, actions } = session;
    const perfect = new Session({
      setup: { ...setup, link: { ...setup.link, lossPercent: 0 } },
      actions,
      at: 0,
    });
    const isPerfectDone = () => perfect.run.clients[0]?.application.transfers[0]?.end === 'closed';
    expect(waitFor(perfect, isPerfectDone, 5000) / 1000).toBeCloseTo(0.9, 1);
    const lost = datagramsOf(session).filter(({ fate }) => fate === 'loss').length;
    expect(lost / datagramsOf(session).length).toBeGreaterThan(0.25);
  });

  it('two-peers: between two and three fifths each', () => {
    const session = open('two-peers');
    session.advance(4000);
    const received = () => session.run.relay.peers.map((peer) => peer.stats().streamBytesReceived);
    const before = received();
    session.advance(7000);
    const [first = 0, second = 0] = received().map((bytes, i) => bytes - (before[i] ?? 0));
    expect(first / (first + second)).toBeGreaterThan(0.4);
    expect(first / (first + second)).toBeLessThan(0.6);
    expect(first + second).toBeGreaterThan(2_500_000);
  });
});
