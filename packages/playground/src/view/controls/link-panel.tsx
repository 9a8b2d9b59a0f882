import { describeSetting } from '../../model/deed-words.js';
import { LINK_RANGES, LINK_SETTINGS, type LinkSettings } from '../../model/settings.js';
import type { Lab } from '../lab.js';

/** The steps of sliders whose values grow by factors. */
const STEPS: Partial<Record<keyof LinkSettings, readonly number[]>> = {
  delayMs: [0, 1, 2, 5, 10, 20, 40, 60, 80, 100, 150, 200, 300, 500],
  lossPercent: [0, 0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 40, 50],
  kbitPerSecond: [100, 200, 500, 1000, 2000, 4000, 8000, 12_000, 20_000, 50_000, 0],
  queueKilobytes: [2, 4, 8, 16, 32, 64, 128, 256, 512],
  pathBytes: [600, 1000, 1200, 1280, 1300, 1350, 1400, 1500, 0],
};

/** The conditions of the links. They hold for what is sent from now on. */
export function LinkPanel({ lab }: { readonly lab: Lab }) {
  lab.version.value;
  return (
    <section class="panel" aria-labelledby="link-title">
      <h2 id="link-title">The network</h2>
      <div class="sliders">
        {LINK_SETTINGS.map((setting) => (
          <Slider key={setting} lab={lab} setting={setting} />
        ))}
      </div>
    </section>
  );
}

function Slider({ lab, setting }: { readonly lab: Lab; readonly setting: keyof LinkSettings }) {
  const value = lab.run.settings[setting];
  const steps = STEPS[setting] as readonly number[];
  const words = describeSetting(setting, value);
  return (
    <label class="slider">
      <span>{LINK_RANGES[setting].label}</span>
      <input
        type="range"
        min={0}
        max={steps.length - 1}
        value={nearest(steps, value)}
        aria-valuetext={words}
        onChange={(event) =>
          lab.act({ kind: 'link', setting, value: steps[event.currentTarget.valueAsNumber] as number })
        }
      />
      <span class="reading">{words}</span>
    </label>
  );
}

function nearest(steps: readonly number[], value: number): number {
  const exact = steps.indexOf(value);
  if (exact >= 0) return exact;
  const next = steps.findIndex((step) => step > value);
  return next < 0 ? steps.length - 1 : next;
}
