import type { Lab } from '../lab.js';
import { milliseconds } from '../words.js';

const SHOWN = 60;

/** What was done, and what the processes reported, the newest first. */
export function Happenings({ lab }: { readonly lab: Lab }) {
  lab.version.value;
  const { happenings } = lab.run.history;
  const shown = happenings.slice(-SHOWN).reverse();
  return (
    <section class="panel" aria-labelledby="happenings-title">
      <h2 id="happenings-title">What happened</h2>
      {shown.length === 0 && <p class="hint">Nothing yet. Press Play.</p>}
      <ol class="happenings">
        {shown.map(({ at, text, isAction }, i) => (
          <li key={happenings.length - i} class={isAction ? 'action' : ''}>
            <button type="button" class="mono time" title="Go to this moment" onClick={() => lab.goTo(at)}>
              {milliseconds(at)}
            </button>
            <span>{text}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}
