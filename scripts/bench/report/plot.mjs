// Draws results as horizontal bars: the median of each tunnel, with a line from the least to the most.

import { line, openSvg, text } from '../../svg.mjs';
import { short } from './markdown.mjs';

const WIDTH = 720;
const LEFT = 200;
const RIGHT = 110;
const TOP = 34;
const ROW = 24;
const BAR = 14;
const OURS = '#3aa76d';
const OTHERS = '#3f8fd2';

/** @param title  of the picture
 *  @param panels  `{ title, unit, tunnels }` as in results.json, drawn below each other with an axis of their own
 *  @param reference  the title of the tunnel that others are compared with; ours have the same first word
 *  @returns the SVG */
export function plotBars({ title, panels, reference }) {
  const isOurs = (name) => name.split(/[ ,]/, 1)[0] === reference.split(/[ ,]/, 1)[0];
  const body = [];
  let y = 0;
  for (const panel of panels) {
    const rows = panel.tunnels.filter(({ summary }) => summary !== undefined);
    if (rows.length === 0) continue;
    const most = Math.max(...rows.map(({ summary }) => summary.max));
    const toX = (value) => Number((LEFT + (value / most) * (WIDTH - LEFT - RIGHT)).toFixed(1));
    body.push(text(LEFT, y + 22, `${panel.title}, ${panel.unit}`, 'font-weight="bold"'));
    y += TOP;
    for (const { title: name, summary } of rows) {
      const [middle, color] = [y + ROW / 2, isOurs(name) ? OURS : OTHERS];
      body.push(
        text(LEFT - 8, middle + 4, name, 'text-anchor="end"'),
        `<rect x="${LEFT}" y="${middle - BAR / 2}" width="${(toX(summary.median) - LEFT).toFixed(1)}" height="${BAR}" fill="${color}"/>`,
        line(toX(summary.min), middle, toX(summary.max), middle, 'stroke-width="2"'),
        text(toX(summary.max) + 8, middle + 4, short(summary.median)),
      );
      y += ROW;
    }
    y += ROW / 2;
  }
  return `${[...openSvg(WIDTH, y, title), ...body].join('\n')}\n</svg>\n`;
}

/** The pictures of a report.
 *  @returns the SVG by the name of its file; none for what was not measured */
export function plotsOf({ scenarios, reference }) {
  const plots = new Map();
  const panelsOf = (wanted) =>
    scenarios
      .filter(wanted)
      .flatMap(({ title, metrics }) =>
        metrics
          .filter(({ unit }) => unit === 'MB/s')
          .map((metric) => ({ ...metric, title: `${title}: ${metric.title}` })),
      );
  const add = (name, title, wanted) => {
    const panels = panelsOf(wanted);
    if (panels.length > 0) plots.set(name, plotBars({ title, panels, reference }));
  };
  add('bulk.svg', 'Bulk transfers without loss', ({ id }) => id.startsWith('bulk-'));
  add('links.svg', 'Bulk transfers over links', ({ id }) => id.startsWith('link-'));
  return plots;
}
