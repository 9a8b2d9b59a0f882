/** Draws recordings of terminals as one animated image, which needs no script and repeats for ever. */

const FONT_SIZE = 13;
const CELL_WIDTH = 7.85;
const LINE_HEIGHT = 18;
const PADDING = 14;
const TITLE_HEIGHT = 26;
const GAP = 12;
const BACKGROUND = '#14181d';
const FOREGROUND = '#d6dbe0';
/** The terminal's sixteen colours, as far as the program and the shell use them. */
const PALETTE = {
  1: '#f2777a',
  2: '#8fc77f',
  3: '#e6c170',
  4: '#6fb0e6',
  5: '#c79ae0',
  6: '#69c6c0',
  7: '#d6dbe0',
  8: '#8a939c',
  9: '#f2777a',
  10: '#8fc77f',
  11: '#e6c170',
  12: '#6fb0e6',
  13: '#c79ae0',
  14: '#69c6c0',
  15: '#ffffff',
};

/** @param recordings  of terminals, from top to bottom
 *  @param endMs  when the image starts again
 *  @returns the text of an SVG file */
export function drawRecording(recordings, endMs) {
  const columns = Math.max(...recordings.map((recording) => recording.columns));
  const width = Math.ceil(columns * CELL_WIDTH + 2 * PADDING);
  let top = 0;
  const panes = [];
  const styles = [];
  for (const recording of recordings) {
    panes.push(drawPane(recording, top, width, endMs, styles));
    top += paneHeight(recording) + GAP;
  }
  const names = recordings.map(({ title }) => title).join(' and ');
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${top - GAP}" role="img">`,
    `<title>The terminals of ${names}: a relay starts, invites a client, and the client shows a page of the relay's network</title>`,
    '<style>',
    `text { font: ${FONT_SIZE}px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: ${FOREGROUND}; white-space: pre }`,
    '.b { font-weight: bold }',
    // A still image shows how it ends.
    '@media (prefers-reduced-motion: no-preference) {',
    ...styles,
    '}',
    '@media (prefers-reduced-motion: reduce) { .gone { display: none } }',
    '</style>',
    ...panes,
    '</svg>',
  ].join('\n')}\n`;
}

function paneHeight({ rows }) {
  return TITLE_HEIGHT + rows * LINE_HEIGHT + 2 * PADDING;
}

function drawPane(recording, top, width, endMs, styles) {
  const lines = [
    `<g transform="translate(0 ${top})">`,
    `<rect width="${width}" height="${paneHeight(recording)}" rx="8" fill="${BACKGROUND}"/>`,
    `<text x="${PADDING}" y="19" style="fill:#8a939c">${recording.title}</text>`,
    `<line x1="0" x2="${width}" y1="${TITLE_HEIGHT}" y2="${TITLE_HEIGHT}" stroke="#2a3138"/>`,
  ];
  for (let row = 0; row < recording.rows; row++) {
    const y = TITLE_HEIGHT + PADDING + (row + 0.75) * LINE_HEIGHT;
    for (const { runs, fromMs, toMs } of intervals(recording.frames, row, endMs)) {
      const name = `k${styles.length.toString(36)}`;
      styles.push(visibility(name, fromMs, toMs, endMs));
      const classes = toMs < endMs ? `${name} gone` : name;
      lines.push(
        `<text class="${classes}" x="${PADDING}" y="${y.toFixed(1)}">${runs.map(drawRun).join('')}</text>`,
      );
    }
  }
  return [...lines, '</g>'].join('\n');
}

/** For how long a row showed the same text. Rows without text are left out. */
function intervals(frames, row, endMs) {
  const found = [];
  let current;
  for (const frame of frames) {
    const runs = frame.rows[row];
    const key = JSON.stringify(runs);
    if (current?.key === key) continue;
    if (current !== undefined) current.toMs = frame.atMs;
    current = { key, runs, fromMs: frame.atMs, toMs: endMs };
    if (runs.length > 0) found.push(current);
  }
  return found;
}

function visibility(name, fromMs, toMs, endMs) {
  const percent = (ms) => `${((100 * ms) / endMs).toFixed(2)}%`;
  const hideAgain = toMs < endMs ? ` ${percent(toMs)} { opacity: 0 }` : '';
  const show = `${percent(fromMs)} { opacity: 1 }`;
  return (
    `.${name} { animation: ${name} ${(endMs / 1000).toFixed(1)}s step-end infinite } ` +
    `@keyframes ${name} { 0% { opacity: 0 } ${show}${hideAgain} }`
  );
}

function drawRun({ text, color, bold }) {
  const fill = color === undefined || PALETTE[color] === undefined ? '' : ` style="fill:${PALETTE[color]}"`;
  const weight = bold ? ' class="b"' : '';
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<tspan${fill}${weight}>${escaped}</tspan>`;
}
