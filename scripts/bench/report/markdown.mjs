// The report for people: a table for each scenario.

/** @param report  the content of results.json */
export function markdownOf({ machine, versions, missing, scenarios, reference }) {
  const lines = [
    '# Benchmarks',
    '',
    'Measured with `npm run bench`, interleaved. [performance](../performance.md) says how to read it.',
    '',
    ...machine.map((line) => `- ${line}`),
    ...versions.map(({ title, version }) => `- ${title}: ${version}`),
    ...missing.map(({ title, reason }) => `- not measured: ${title}. ${reason}`),
    '',
    `“×” is ${reference} divided by this tunnel. It compares run by run. Every figure is a median, with the least and the`,
    'most of all runs in brackets.',
    '',
  ];
  for (const { title, settings, metrics } of scenarios) {
    const { runs, seconds } = settings;
    const effort = `${runs} runs, ${seconds} s for each measurement, or longer where that shows nothing.`;
    lines.push(`## ${title}`, '', `${effort} ${sentenceOf(metrics)}`, '', ...tableOf(metrics), '');
  }
  return lines.join('\n');
}

/** @returns for example `More is better for upload and download, less for CPU.` */
function sentenceOf(metrics) {
  const titles = (wanted) => metrics.filter(({ better }) => better === wanted).map(({ title }) => title);
  const [more, less] = [titles('more'), titles('less')];
  if (less.length === 0) return `More is better for ${listOf(more)}.`;
  if (more.length === 0) return `Less is better for ${listOf(less)}.`;
  return `More is better for ${listOf(more)}, less for ${listOf(less)}.`;
}

function listOf(words) {
  return words.length === 1 ? words[0] : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}

function tableOf(metrics) {
  const head = ['tunnel', ...metrics.map(({ title }) => `${title} ×`)];
  for (const { title, unit } of metrics) head.push(`${title}, ${unit}`);
  const rows = metrics[0].tunnels.map(({ title, failures }, row) => [
    failures.length === 0 ? title : `${title} (${failures.length} failed: ${failures[0]})`,
    ...metrics.map((metric) => spread(metric.tunnels[row].ratio)),
    ...metrics.map((metric) => spread(metric.tunnels[row].summary)),
  ]);
  return layOut([head, ...rows]);
}

function layOut([head, ...rows]) {
  const widths = head.map((_, column) => Math.max(3, ...[head, ...rows].map((row) => row[column].length)));
  const line = (cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)];
}

/** @returns for example `1.53 (1.41–1.60)`; empty if nothing was measured */
function spread(summary) {
  if (summary === undefined) return '';
  return `${short(summary.median)} (${short(summary.min)}–${short(summary.max)})`;
}

/** Three significant digits, without an exponent. */
export function short(value) {
  if (value === 0) return '0';
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(digits, 6));
}
