// What a run has measured, as plain data: the content of results.json, from which tables and plots are made.

import { ratioOf, summaryOf } from '../statistics.mjs';

/** @param measured  what `runBenchmark` returns
 *  @param reference  the id of the tunnel that others are compared with
 *  @param settings  how many runs there were, and how long each measurement took
 *  @returns one entry for each scenario, with every metric of every tunnel */
export function resultsOf(measured, reference, { runs, seconds }) {
  return measured.map(({ scenario, tunnels }) => {
    const valuesOf = (runs, metric) => runs.map(({ values }) => values?.[metric]);
    const referenceRuns = [...tunnels].find(([tunnel]) => tunnel.id === reference)?.[1] ?? [];
    return {
      id: scenario.id,
      title: scenario.title,
      settings: { runs, seconds },
      metrics: Object.entries(scenario.metrics).map(([id, { title, unit, better }]) => ({
        id,
        title,
        unit,
        better,
        tunnels: [...tunnels].map(([tunnel, runs]) => {
          const values = valuesOf(runs, id);
          return {
            id: tunnel.id,
            title: tunnel.title,
            values,
            summary: summaryOf(values.filter((value) => value !== undefined)),
            ratio: tunnel.id === reference ? undefined : ratioOf(valuesOf(referenceRuns, id), values),
            failures: runs.flatMap(({ error }) => error ?? []),
          };
        }),
      })),
    };
  });
}

/** @param earlier  the content of an earlier results.json, or undefined
 *  @param known  all scenarios, in the order of the report
 *  @returns the new report, with the scenarios of the earlier one that were not measured again */
export function joinReports(earlier, report, known) {
  const byId = new Map([...(earlier?.scenarios ?? []), ...report.scenarios].map((each) => [each.id, each]));
  const versions = new Map(
    [...(earlier?.versions ?? []), ...report.versions].map((each) => [each.title, each]),
  );
  const scenarios = known.flatMap(({ id }) => byId.get(id) ?? []);
  return { ...report, versions: [...versions.values()], scenarios };
}
