import { describe, expect, it } from 'vitest';
import { Explainer } from '../../src/model/explainer.js';
import type { Datagram } from '../../src/model/history.js';
import { EMPTY_PLAN } from '../../src/model/plan.js';
import { Repairs } from '../../src/model/repairs.js';
import { Session } from '../../src/model/session.js';

const UPLOAD_BYTES = 20_000;

function start(): { session: Session; repairs: Repairs; explainer: Explainer } {
  const session = new Session(EMPTY_PLAN);
  const explainer = new Explainer(session.run);
  return { session, explainer, repairs: new Repairs(session.run, explainer) };
}

/** Goes on until a datagram with that content is under way. */
function untilUnderWay({ session, explainer }: ReturnType<typeof start>, label: RegExp): Datagram {
  for (let i = 0; i < 200; i++) {
    const found = session.run.history.datagrams.find(
      (datagram) => datagram.fate === 'under-way' && label.test(explainer.explain(datagram).label),
    );
    if (found !== undefined) return found;
    session.step();
  }
  return expect.unreachable(`nothing like ${label} was sent`);
}

describe('the repair of a lost datagram', () => {
  it('is the next copy, if it was a handshake message', () => {
    const all = start();
    const lost = untilUnderWay(all, /^Initiation/);
    expect(all.repairs.of(lost)).toBeUndefined();
    all.session.act({ kind: 'drop', datagram: lost.id });
    expect(all.repairs.of(lost)).toEqual({ by: [], isWhole: false });
    all.session.advance(1000);
    const [copy] = all.repairs.of(lost)?.by ?? [];
    expect(copy?.bytes).toEqual(lost.bytes);
    expect(copy?.id).toBeGreaterThan(lost.id);
  });

  it('is made of the datagrams that carry its stream bytes again', () => {
    const all = start();
    const { session, repairs, explainer } = all;
    session.act({ kind: 'upload', client: 1, bytes: UPLOAD_BYTES });
    session.advance(600);
    session.act({ kind: 'upload', client: 1, bytes: UPLOAD_BYTES });
    const lost = untilUnderWay(all, /^STREAM/);
    session.act({ kind: 'drop', datagram: lost.id });
    expect(repairs.of(lost)).toEqual({ by: [], isWhole: false });
    session.advance(2000);
    const repair = repairs.of(lost);
    expect(repair?.isWhole).toBe(true);
    for (const later of repair?.by ?? []) {
      expect(later.sentAt).toBeGreaterThan(lost.sentAt);
      expect(later.target).toBe('relay');
      expect(explainer.explain(later).label).toContain('STREAM');
    }
    expect(repairs.of(lost)).toEqual(repair);
  });

  it('is not looked for if nothing was lost, or nothing in it has to arrive', () => {
    const all = start();
    const { session, repairs } = all;
    session.act({ kind: 'upload', client: 1, bytes: UPLOAD_BYTES });
    const acknowledgement = untilUnderWay(all, /^ACK$/);
    session.act({ kind: 'drop', datagram: acknowledgement.id });
    session.advance(2000);
    for (const datagram of session.run.history.datagrams) expect(repairs.of(datagram)).toBeUndefined();
  });
});
