// The command line of the benchmark.

import { parseArgs } from 'node:util';

export const USAGE = `npm run bench -- [options]

  --only NAMES      only these scenarios and tunnels, separated by commas; the start of a name is enough
  --runs N          how often everything is measured, interleaved (default: 5)
  --seconds S       how long each measurement takes (default: 2)
  --quick           three runs of half a second
  --node PATH       the Node that runs Underpass; may be repeated, the first is the main one (default: this one)
  --modules DIR     where npm packages of other tunnels are installed (--list says which)
  --against REV     compares this checkout with another commit, which is built in a temporary directory
  --output DIR      where to write results.json, README.md and the plots (default: docs/benchmarks, if nothing above
                    narrows the run; otherwise they are not written)
  --list            prints the names of scenarios and tunnels, and what is missing
  --help            prints this
`;

const OPTIONS = {
  only: { type: 'string' },
  runs: { type: 'string' },
  seconds: { type: 'string' },
  quick: { type: 'boolean', default: false },
  node: { type: 'string', multiple: true, default: [] },
  modules: { type: 'string' },
  against: { type: 'string' },
  output: { type: 'string' },
  list: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
};

const DEFAULTS = { runs: 5, seconds: 2 };
const QUICK = { runs: 3, seconds: 0.5 };
const MOST_RUNS = 100;
const MOST_SECONDS = 600;

/** An argument that cannot be used. The message says which, and what is expected. */
export class ArgumentError extends Error {}

/** @param commandLine  without the program's name
 *  @throws ArgumentError */
export function readArguments(commandLine) {
  const values = parse(commandLine);
  const defaults = values.quick ? QUICK : DEFAULTS;
  return {
    ...values,
    only: values.only === undefined ? [] : values.only.split(',').filter((name) => name !== ''),
    runs: readNumber('--runs', values.runs ?? defaults.runs, { most: MOST_RUNS, whole: true }),
    seconds: readNumber('--seconds', values.seconds ?? defaults.seconds, { most: MOST_SECONDS }),
    isNarrowed: values.quick || values.only !== undefined || values.against !== undefined,
  };
}

function parse(commandLine) {
  try {
    return parseArgs({ args: commandLine, options: OPTIONS }).values;
  } catch (error) {
    throw new ArgumentError(error.message);
  }
}

function readNumber(name, text, { most, whole = false }) {
  const value = Number(text);
  if (value > 0 && value <= most && (!whole || Number.isInteger(value))) return value;
  throw new ArgumentError(
    `${name} '${text}' is not a ${whole ? 'whole ' : ''}number above 0 and up to ${most}`,
  );
}

/** Which of the scenarios and tunnels `--only` names. If it names no scenario, all of them; the same for tunnels.
 *
 *  @param only  names, or the starts of names
 *  @returns the chosen ones in their order
 *  @throws ArgumentError for a name that nothing has */
export function choose(only, scenarios, tunnels) {
  const matches = (name) => (each) => each.id === name || each.id.startsWith(`${name}-`);
  const chosen = { scenarios: new Set(), tunnels: new Set() };
  for (const name of only) {
    const found = { scenarios: scenarios.filter(matches(name)), tunnels: tunnels.filter(matches(name)) };
    if (found.scenarios.length + found.tunnels.length === 0) {
      throw new ArgumentError(
        `--only '${name}' is neither a scenario nor a tunnel: --list prints their names`,
      );
    }
    for (const each of found.scenarios) chosen.scenarios.add(each);
    for (const each of found.tunnels) chosen.tunnels.add(each);
  }
  const pick = (all, some) => (some.size === 0 ? all : all.filter((each) => some.has(each)));
  return { scenarios: pick(scenarios, chosen.scenarios), tunnels: pick(tunnels, chosen.tunnels) };
}
