import { describe, expect, it } from 'vitest';
import { Explainer } from '../../src/model/explainer.js';
import type { Datagram } from '../../src/model/history.js';
import { MAX_EXPLANATIONS } from '../../src/model/limits.js';
import { EMPTY_PLAN } from '../../src/model/plan.js';
import { Session } from '../../src/model/session.js';

describe('the explanation of a datagram', () => {
  const session = new Session(EMPTY_PLAN);
  session.act({ kind: 'upload', client: 1, bytes: 2000 });
  session.advance(2000);
  const { datagrams } = session.run.history;
  const explainer = new Explainer(session.run);

  it('names what is inside, in either direction', () => {
    const labels = datagrams.map((datagram) => `${datagram.target}: ${explainer.explain(datagram).label}`);
    expect(labels.slice(0, 2)).toEqual(['relay: Initiation', 'client: Response']);
    expect(labels[2]).toMatch(/^relay: HELLO.*STREAM/);
    expect(labels.some((label) => /^client: .*ACK/.test(label))).toBe(true);
  });

  it('opens every datagram, and covers each of its bytes with a field', () => {
    for (const datagram of datagrams) {
      const { sealed, opened } = explainer.explain(datagram);
      expect(opened, `datagram ${datagram.id}`).toBeDefined();
      for (const { parts } of [sealed, opened?.dissection ?? sealed]) {
        const bytes = parts.flatMap(({ fields }) => fields).reduce((sum, { length }) => sum + length, 0);
        expect(bytes).toBe(datagram.bytes.length);
      }
    }
  });

  it('shows the text of the upload, once it is opened', () => {
    const text = (bytes: Uint8Array | undefined) => new TextDecoder('latin1').decode(bytes);
    const datagram = datagrams.find((one) =>
      text(explainer.explain(one).opened?.bytes).includes('PUT 2000'),
    ) as Datagram;
    expect(text(explainer.explain(datagram).opened?.bytes)).toContain('crosses the tunnel sealed');
    expect(text(datagram.bytes)).not.toContain('PUT 2000');
  });

  it('is not kept for every datagram of a long run', () => {
    const long = new Session(EMPTY_PLAN);
    long.act({ kind: 'flood', ms: 10_000, perSecond: 320 });
    long.advance(11_000);
    const all = new Explainer(long.run);
    const labels = () => long.run.history.datagrams.map((datagram) => all.explain(datagram).label);
    const first = labels();
    expect(first.length).toBeGreaterThan(MAX_EXPLANATIONS);
    expect(all.size).toBe(MAX_EXPLANATIONS);
    expect(labels()).toEqual(first);
  });

  it('does not open a forgery', () => {
    session.act({ kind: 'forge', datagram: 3 });
    session.advance(2100);
    const forgery = datagrams.at(-1) as Datagram;
    expect(forgery).toMatchObject({ origin: 'forgery', copyOf: 3, refused: 'authentication-failed' });
    expect(explainer.explain(forgery)).toMatchObject({ opened: undefined, label: 'Sealed' });
  });
});
