import type { ReadonlySignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import UPlot from 'uplot';

/** One plot: a line for each lane. */
export interface PlotModel {
  readonly title: string;
  readonly unit: string;
  /** Digits behind the point of the latest values. */
  readonly digits: number;
  /** A value for each sample; the latest is last. */
  readonly lines: readonly (readonly (number | null)[])[];
}

export interface PlotsModel {
  /** When the samples were taken. */
  readonly seconds: readonly number[];
  /** What the lanes are called, if there are several. */
  readonly lanes: readonly string[];
  readonly plots: readonly PlotModel[];
}

/** How much of the past is drawn. */
const SHOWN_SAMPLES = 1500;
const HEIGHT = 132;
/** Lanes differ by their dashes, not by colour alone. */
const DASHES = [[], [6, 4], [2, 3]];

/** Small plots over time, side by side.
 *  @param version  changes when `read` returns something else */
export function Plots({
  version,
  read,
}: {
  readonly version: ReadonlySignal<unknown>;
  readonly read: () => PlotsModel;
}) {
  version.value;
  const { lanes, plots } = read();
  return (
    <section class="panel" aria-labelledby="plots-title">
      <h2 id="plots-title">
        Over time
        {lanes.length > 1 && (
          <span class="lanes">
            {lanes.map((name, lane) => (
              <span key={name} class={`lane lane-${lane}`}>
                {name}
              </span>
            ))}
          </span>
        )}
      </h2>
      <div class="plots">
        {plots.map((plot, i) => (
          <figure key={plot.title}>
            <figcaption>
              {plot.title} <span class="mono">{latest(plot)}</span>
            </figcaption>
            <Plot version={version} read={read} index={i} lines={plot.lines.length} />
          </figure>
        ))}
      </div>
    </section>
  );
}

function latest({ lines, unit, digits }: PlotModel): string {
  const values = lines.map((line) => line.at(-1));
  return `${values.map((value) => value?.toFixed(digits) ?? '–').join(' · ')} ${unit}`;
}

function Plot({
  version,
  read,
  index,
  lines,
}: {
  readonly version: ReadonlySignal<unknown>;
  readonly read: () => PlotsModel;
  readonly index: number;
  readonly lines: number;
}) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = box.current as HTMLDivElement;
    const plot = new UPlot(options(element, lines), dataOf(read(), index, lines), element);
    const sizes = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT }));
    sizes.observe(element);
    const unsubscribe = version.subscribe(() => plot.setData(dataOf(read(), index, lines)));
    return () => {
      unsubscribe();
      sizes.disconnect();
      plot.destroy();
    };
  }, [version, read, index, lines]);
  return <div ref={box} class="plot" aria-hidden="true" />;
}

function dataOf({ seconds, plots }: PlotsModel, index: number, lines: number): UPlot.AlignedData {
  const values = Array.from(
    { length: lines },
    (_, line) => plots[index]?.lines[line]?.slice(-SHOWN_SAMPLES) ?? [],
  );
  return [seconds.slice(-SHOWN_SAMPLES), ...values];
}

function options(element: HTMLElement, lines: number): UPlot.Options {
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
      ...Array.from({ length: lines }, (_, line) => ({
        stroke: colour(`--lane-${line}`),
        width: 1.5,
        dash: DASHES[line] ?? [],
        points: { show: false },
      })),
    ],
  };
}
