// Draws docs/images/loss.svg and docs/images/loss-over-time.svg, which show the effect of loss on each controller in
// the simulator.
//
//   node scripts/plot-loss.mjs
//
// The same code gives the same images. Exit code: 0 when they were drawn, 2 when testkit is not built.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { GREY, openSvg, text } from './svg.mjs';

const TESTKIT = new URL('../packages/testkit/dist/index.js', import.meta.url);
const PROTOCOL = new URL('../packages/protocol/dist/index.js', import.meta.url);
const IMAGES = new URL('../docs/images/', import.meta.url);

if (!existsSync(TESTKIT)) {
  process.stderr.write('plot-loss: packages/testkit is not built: run npm run setup first\n');
  process.exit(2);
}
const { measureTransfer, TABLE_LINK, TABLE_LOSSES } = await import(TESTKIT);
const { CONGESTION_CONTROLLERS } = await import(PROTOCOL);

/** Legible on white and on black, and with colour blindness. */
const COLORS = { newreno: '#e08a1e', cubic: '#3f8fd2', bbr: '#3aa76d' };
const WIDTH = 720;
const HEIGHT = 360;
const LEFT = 64;
const RIGHT = 110;
const TOP = 40;
const BOTTOM = 48;

/** @param series name -> points [x, y] in units of the axes */
function plot({ title, xLabel, yLabel, xTicks, yMax, yTicks, toX, series }) {
  const x = (value) => (LEFT + toX(value) * (WIDTH - LEFT - RIGHT)).toFixed(1);
  const y = (value) => (HEIGHT - BOTTOM - (value / yMax) * (HEIGHT - TOP - BOTTOM)).toFixed(1);
  const lines = [...openSvg(WIDTH, HEIGHT, title), text(LEFT, 22, title, 'font-weight="bold"')];
  for (const tick of yTicks) {
    lines.push(
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(tick)}" y2="${y(tick)}" stroke="${GREY}" stroke-opacity="0.3"/>`,
      text(LEFT - 8, Number(y(tick)) + 4, tick, 'text-anchor="end"'),
    );
  }
  for (const [value, label] of xTicks)
    lines.push(text(x(value), HEIGHT - BOTTOM + 18, label, 'text-anchor="middle"'));
  lines.push(
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, xLabel, 'text-anchor="middle"'),
    text(14, HEIGHT / 2, yLabel, `text-anchor="middle" transform="rotate(-90 14 ${HEIGHT / 2})"`),
  );
  let row = 0;
  for (const [name, points] of Object.entries(series)) {
    const path = points.map(([px, py]) => `${x(px)},${y(Math.min(py, yMax))}`).join(' ');
    lines.push(
      `<polyline points="${path}" fill="none" stroke="${COLORS[name]}" stroke-width="2"/>`,
      `<line x1="${WIDTH - RIGHT + 12}" x2="${WIDTH - RIGHT + 32}" y1="${TOP + 20 * row}" y2="${TOP + 20 * row}" stroke="${COLORS[name]}" stroke-width="3"/>`,
      text(WIDTH - RIGHT + 38, TOP + 20 * row + 4, name),
    );
    row++;
  }
  return `${lines.join('\n')}\n</svg>\n`;
}

const capacity = TABLE_LINK.bytesPerMs / 1000;
const yTicks = [0, 0.5, 1, 1.5, 2, capacity];

function lossPlot() {
  const series = {};
  for (const congestion of CONGESTION_CONTROLLERS) {
    series[congestion] = TABLE_LOSSES.map((lossChance, i) => {
      const { bytes } = measureTransfer({ ...TABLE_LINK, congestion, roundTripMs: 80, lossChance });
      return [i, bytes / TABLE_LINK.durationMs / 1000];
    });
  }
  return plot({
    title: 'One stream over 20 Mbit/s, 80 ms, a queue of 50 ms, first 10 s',
    xLabel: 'datagrams lost, each way',
    yLabel: 'goodput, MB/s',
    xTicks: TABLE_LOSSES.map((loss, i) => [i, `${loss * 100} %`]),
    yMax: capacity,
    yTicks,
    toX: (i) => i / (TABLE_LOSSES.length - 1),
    series,
  });
}

function timePlot() {
  const durationMs = 20_000;
  const series = {};
  for (const congestion of CONGESTION_CONTROLLERS) {
    const { samples } = measureTransfer({
      ...TABLE_LINK,
      durationMs,
      congestion,
      roundTripMs: 80,
      lossChance: 0.01,
    });
    series[congestion] = samples.map(({ atMs, windowBytes }) => [atMs / 1000, windowBytes / 1000]);
  }
  return plot({
    title: 'The window at 1 % loss: the path holds 200 kB, and 125 kB more in its queue',
    xLabel: 'seconds',
    yLabel: 'window, kB',
    xTicks: [0, 5, 10, 15, 20].map((second) => [second, second]),
    yMax: 600,
    yTicks: [0, 100, 200, 300, 400, 500, 600],
    toX: (second) => (second * 1000) / durationMs,
    series,
  });
}

mkdirSync(IMAGES, { recursive: true });
writeFileSync(new URL('loss.svg', IMAGES), lossPlot());
writeFileSync(new URL('loss-over-time.svg', IMAGES), timePlot());
process.stdout.write('plot-loss: docs/images/loss.svg and loss-over-time.svg are drawn\n');
