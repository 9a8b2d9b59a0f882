import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { SpecLink } from './inspector/field-table.js';
import type { Lab } from './lab.js';

/** The question of an experiment. The prediction comes first: what to watch, and what happened, are shown after it. */
export function ExperimentCard({ lab }: { readonly lab: Lab }) {
  const experiment = lab.experiment.value;
  const answer = useSignal<number | undefined>(undefined);
  useEffect(() => {
    answer.value = undefined;
  }, [experiment]);
  if (experiment === undefined) return null;
  const { title, question, answers, right, watch, explanation, spec } = experiment;
  const chosen = answer.value;
  return (
    <section class="panel experiment" aria-labelledby="experiment-title">
      <div>
        <h2 id="experiment-title">{title}</h2>
        <p class="question">{question}</p>
        <fieldset>
          <legend>Your prediction</legend>
          {answers.map((text, i) => (
            <label key={text}>
              <input
                type="radio"
                name="prediction"
                checked={chosen === i}
                onChange={() => {
                  answer.value = i;
                  lab.spoken.value = 'Noted. Press play, and watch.';
                }}
              />
              <span>{text}</span>
            </label>
          ))}
        </fieldset>
      </div>
      <div class="findings">
        <h3>What to watch</h3>
        <p>{watch}</p>
        {chosen === undefined ? (
          <p class="hint">Choose a prediction, then press Play.</p>
        ) : (
          <details>
            <summary>What happened, and why</summary>
            <p>
              <strong>{chosen === right ? 'You were right. ' : `It was: ${answers[right]} `}</strong>
              {explanation}{' '}
              <span class="spec">
                spec <SpecLink spec={spec} />
              </span>
            </p>
          </details>
        )}
      </div>
    </section>
  );
}
