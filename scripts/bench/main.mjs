// Measures Underpass beside other tunnels, in one run and interleaved. See docs/performance.md.
//
//   npm run bench -- --help
//
// Exit code: 0 measured, 1 nothing could be measured, 2 wrong arguments.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ArgumentError, choose, readArguments, USAGE } from './arguments.mjs';
import { SCENARIOS, tunnelsFor } from './catalogue.mjs';
import { missingForLinks } from './network/emulator.mjs';
import { missingForNamespaces } from './network/namespaces.mjs';
import { readNodes } from './nodes.mjs';
import { describeMachine } from './report/machine.mjs';
import { markdownOf } from './report/markdown.mjs';
import { plotsOf } from './report/plot.mjs';
import { joinReports, resultsOf } from './report/results.mjs';
import { buildRevision } from './revision.mjs';
import { runBenchmark } from './run.mjs';

const OUTPUT = fileURLToPath(new URL('../../docs/benchmarks', import.meta.url));
const say = (line) => process.stderr.write(`${line}\n`);

try {
  await main(readArguments(process.argv.slice(2)));
} catch (error) {
  if (!(error instanceof ArgumentError)) throw error;
  say(`bench: ${error.message}`);
  process.exitCode = 2;
}

async function main(settings) {
  if (settings.help) return void process.stdout.write(USAGE);
  const noNamespaces = missingForNamespaces();
  const hasNamespaces = noNamespaces === undefined;
  const noLinks = noNamespaces ?? missingForLinks();
  const nodes = readNodes(settings.node);
  const against = settings.against === undefined ? undefined : buildRevision(settings.against, say);
  const known = tunnelsFor({ nodes, modules: settings.modules, against });
  const chosen = choose(settings.only, SCENARIOS, known);
  const tunnels = against === undefined ? chosen.tunnels : known;
  const missing = tunnels.flatMap((tunnel) => {
    const reason = tunnel.missing({ hasNamespaces });
    return reason === undefined ? [] : [{ id: tunnel.id, title: tunnel.title, reason }];
  });
  if (settings.list) return printList({ scenarios: chosen.scenarios, tunnels, missing });
  for (const { title, reason } of missing) say(`${title} is left out: ${reason}`);
  if (!hasNamespaces) say(`measuring on loopback: ${noNamespaces}`);
  const scenarios = chosen.scenarios.filter(({ link }) => link === undefined || noLinks === undefined);
  if (scenarios.length < chosen.scenarios.length) say(`links are left out: ${noLinks}`);

  const present = tunnels.filter(({ id }) => !missing.some((one) => one.id === id));
  const measured = await runBenchmark({ ...settings, scenarios, tunnels: present, hasNamespaces, say });
  const report = {
    machine: describeMachine(hasNamespaces),
    versions: present.flatMap(({ title, version }) =>
      version === undefined ? [] : [{ title, version: version() }],
    ),
    missing,
    reference: present[0].title,
    scenarios: resultsOf(measured, present[0].id, settings),
  };
  process.stdout.write(markdownOf(report));
  const output = settings.output ?? (settings.isNarrowed ? undefined : OUTPUT);
  if (output !== undefined) write(output, report);
}

function printList({ scenarios, tunnels, missing }) {
  const reasons = new Map(missing.map(({ id, reason }) => [id, reason]));
  const line = ({ id, title }) =>
    `  ${id.padEnd(22)}${title}${reasons.has(id) ? ` (${reasons.get(id)})` : ''}\n`;
  process.stdout.write(`scenarios\n${scenarios.map(line).join('')}`);
  process.stdout.write(`tunnels\n${tunnels.map(line).join('')}`);
}

/** More digits would suggest an accuracy that no measurement has. */
function roundNumbers(_key, value) {
  return typeof value === 'number' ? Number(value.toPrecision(4)) : value;
}

/** Scenarios that were measured earlier and not this time stay. */
function write(output, newReport) {
  mkdirSync(output, { recursive: true });
  const file = path.join(output, 'results.json');
  const earlier = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
  const report = joinReports(earlier, newReport, SCENARIOS);
  const markdown = markdownOf(report);
  const plots = plotsOf(report);
  const pictures = [...plots.keys()].map((name) => `![${name}](${name})\n`);
  const files = new Map([
    ['results.json', `${JSON.stringify(report, roundNumbers, 1)}\n`],
    ['README.md', [markdown, ...pictures].join('\n')],
    ...plots,
  ]);
  for (const [name, content] of files) writeFileSync(path.join(output, name), content);
}
