import { signal } from '@preact/signals';
import type { VNode } from 'preact';
import { describe, expect, it } from 'vitest';
import { Plots, type PlotsModel } from '../../src/view/plots.js';

/** The nodes that a component returns. Components among them are not rendered. */
function* nodesOf(node: unknown): Generator<VNode<Record<string, unknown>>> {
  if (Array.isArray(node)) for (const one of node) yield* nodesOf(one);
  if (typeof node !== 'object' || node === null || !('props' in node)) return;
  const own = node as VNode<Record<string, unknown>>;
  yield own;
  yield* nodesOf(own.props.children);
}

function show(model: PlotsModel) {
  return [...nodesOf(Plots({ version: signal(0), read: () => model }))];
}

const plot = (lines: (number | null)[][]) => ({ title: 'Throughput', unit: 'Mbit/s', digits: 1, lines });

describe('the plots', () => {
  it('name the clients in the colours of their lines, if there are several', () => {
    const model = { seconds: [0], lanes: ['Client 1', 'Client 2'], plots: [plot([[1], [2]])] };
    const named = show(model).filter(({ props }) => /lane-/.test(String(props.class)));
    expect(named.map(({ props }) => [props.class, props.children])).toEqual([
      ['lane lane-0', 'Client 1'],
      ['lane lane-1', 'Client 2'],
    ]);
    expect(show({ ...model, lanes: ['Client 1'] }).some(({ props }) => props.class === 'lanes')).toBe(false);
  });

  it('show the last value of each line with its unit, and a dash where there is none', () => {
    const nodes = show({ seconds: [0, 1], lanes: [], plots: [plot([[1, 2.34], [2, null], []])] });
    const value = nodes.find(({ props }) => props.class === 'mono');
    expect(value?.props.children).toBe('2.3 · – · – Mbit/s');
  });
});
