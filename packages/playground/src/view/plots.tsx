import { useEffect, useRef } from 'preact/hooks';
import UPlot from 'uplot';
import type { Series } from '../model/samples.js';
import type { Lab } from './lab.js';

const PLOTS: readonly { readonly of: keyof Series; readonly title: string; readonly unit: string }[] = [
  { of: 'kbitPerSecond', title: 'Throughput', unit: 'kbit/s' },
  { of: 'windowKilobytes', title: 'Congestion window', unit: 'kB' },
  { of: 'inFlightKilobytes', title: 'Bytes in flight', unit: 'kB' },
  { of: 'rttMs', title: 'Smoothed RTT', unit: 'ms' },
];
/** How much of the past is drawn. */
const SHOWN_SAMPLES = 1500;
const HEIGHT = 132;
/** Clients differ by their dashes, not by colour alone. */
const DASHES = [[], [6, 4], [2, 3]];

/** Four small plots of the sending side, over virtual time. */
export function Plots({ lab }: { readonly lab: Lab }) {
  lab.version.value;
  const names = lab.session.setup.clients;
  const { series } = lab.run.samples;
  const running = lab.run.clients.filter(({ isRunning }) => isRunning).length;
  return (
    <section class="panel" aria-labelledby="plots-title">
      <h2 id="plots-title">
        Over time
        {running > 1 && (
          <span class="lanes">
            {Array.from({ length: running }, (_, lane) => (
              <span key={String(lane)} class={`lane lane-${lane}`}>
                Client {lane + 1}: {names[lane] ?? names[0]}
              </span>
            ))}
          </span>
        )}
      </h2>
      <div class="plots">
        {PLOTS.map(({ of, title, unit }) => (
          <figure key={of}>
            <figcaption>
              {title} <span class="mono">{latest(series, of, unit, running)}</span>
            </figcaption>
            <Plot lab={lab} of={of} lanes={running} />
          </figure>
        ))}
      </div>
    </section>
  );
}

function latest(series: readonly Series[], of: keyof Series, unit: string, running: number): string {
  const values = series.slice(0, running).map((one) => one[of].at(-1));
  return `${values.map((value) => (value === undefined || value === null ? '–' : value.toFixed(of === 'rttMs' ? 1 : 0))).join(' · ')} ${unit}`;
}

function Plot({ lab, of, lanes }: { readonly lab: Lab; readonly of: keyof Series; readonly lanes: number }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = box.current as HTMLDivElement;
    const plot = new UPlot(options(element, lanes), dataOf(lab, of, lanes), element);
    const sizes = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT }));
    sizes.observe(element);
    const unsubscribe = lab.version.subscribe(() => plot.setData(dataOf(lab, of, lanes)));
    return () => {
      unsubscribe();
      sizes.disconnect();
      plot.destroy();
    };
  }, [lab, of, lanes]);
  return <div ref={box} class="plot" aria-hidden="true" />;
}

function dataOf(lab: Lab, of: keyof Series, lanes: number): UPlot.AlignedData {
  const { seconds, series } = lab.run.samples;
  const values = Array.from({ length: lanes }, (_, lane) => series[lane]?.[of].slice(-SHOWN_SAMPLES) ?? []);
  return [seconds.slice(-SHOWN_SAMPLES), ...values];
}

function options(element: HTMLElement, lanes: number): UPlot.Options {
  const style = getComputedStyle(element);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const axis: UPlot.Axis = {
    stroke: colour('--muted'),
    font: '10px ui-monospace, monospace',
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { show: false },
  };
  return {
    width: element.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { time: false }, y: { range: (_plot, _min, max) => [0, Math.max(1, max * 1.1)] } },
    axes: [
      { ...axis, size: 22, values: (_plot, ticks) => ticks.map((tick) => `${Number(tick.toFixed(2))} s`) },
      { ...axis, size: 44 },
    ],
    series: [
      {},
      ...Array.from({ length: lanes }, (_, lane) => ({
        stroke: colour(`--lane-${lane}`),
        width: 1.5,
        dash: DASHES[lane] ?? [],
        points: { show: false },
      })),
    ],
  };
}
