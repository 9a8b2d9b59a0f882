import { type Lab, SPEEDS } from '../lab.js';
import { milliseconds } from '../words.js';

export function TimeBar({ lab }: { readonly lab: Lab }) {
  lab.version.value;
  const { isPlaying, speed } = lab;
  const latest = Math.max(lab.now, lab.session.actions.at(-1)?.at ?? 0, lab.furthest);
  const index = SPEEDS.indexOf(speed.value as never);
  return (
    <fieldset class="time-bar" aria-label="Time">
      <div class="buttons">
        <button type="button" onClick={() => lab.stepBack()} disabled={lab.now === 0}>
          ‹ Back
        </button>
        <button type="button" class="primary play" onClick={() => lab.toggle()}>
          {isPlaying.value ? 'Pause' : 'Play'}
        </button>
        <button type="button" onClick={() => lab.step()}>
          Step ›
        </button>
      </div>
      <label class="scrub">
        <span class="hidden">Moment</span>
        <input
          type="range"
          min={0}
          max={latest}
          step="any"
          value={lab.now}
          aria-valuetext={milliseconds(lab.now)}
          onInput={(event) => lab.goTo(event.currentTarget.valueAsNumber)}
        />
        <span class="mono reading">{milliseconds(lab.now)}</span>
      </label>
      <label class="speed">
        <span>Speed</span>
        <input
          type="range"
          min={0}
          max={SPEEDS.length - 1}
          value={index}
          aria-valuetext={speedWords(speed.value)}
          onInput={(event) => lab.setSpeed(SPEEDS[event.currentTarget.valueAsNumber] as number)}
        />
        <span class="reading">{speedWords(speed.value)}</span>
      </label>
    </fieldset>
  );
}

function speedWords(virtualMs: number): string {
  if (virtualMs === 1000) return 'real time';
  return virtualMs < 1000 ? `1/${1000 / virtualMs} of real time` : `${virtualMs / 1000} × real time`;
}
