import { useEffect } from 'preact/hooks';
import { ActionPanel } from './controls/action-panel.js';
import { LinkPanel } from './controls/link-panel.js';
import { TimeBar } from './controls/time-bar.js';
import { ExperimentCard } from './experiment-card.js';
import { Header } from './header.js';
import { DatagramList } from './inspector/datagram-list.js';
import { Inspector } from './inspector/inspector.js';
import { onKey } from './keys.js';
import type { Lab } from './lab.js';
import { LabKeypairs, LabPlots, LabStreams, LabTimers } from './lab-views.js';
import { Ladder } from './ladder/ladder.js';
import { SideCard } from './side-card.js';
import { Happenings } from './tables/happenings.js';

export function App({ lab }: { readonly lab: Lab }) {
  useEffect(() => {
    const listen = (event: KeyboardEvent) => onKey(lab, event);
    window.addEventListener('keydown', listen);
    return () => window.removeEventListener('keydown', listen);
  }, [lab]);
  return (
    <>
      <button type="button" class="skip" onClick={focusStage}>
        Skip to the ladder
      </button>
      <Header lab={lab} />
      <main>
        <Problem lab={lab} />
        <ExperimentCard lab={lab} />
        <div class="workbench">
          <section class="panel stage" aria-labelledby="stage-title">
            <h2 id="stage-title" class="hidden">
              Client, datagrams, relay
            </h2>
            <div class="sides">
              <SideCard lab={lab} side="client" />
              <LaneTabs lab={lab} />
              <SideCard lab={lab} side="relay" />
            </div>
            <div id="stage" class="ladder-box" tabIndex={-1}>
              <Ladder lab={lab} />
            </div>
            <Legend />
            <TimeBar lab={lab} />
          </section>
          <div class="beside">
            <Inspector lab={lab} />
            <DatagramList lab={lab} />
          </div>
        </div>
        <div class="two">
          <ActionPanel lab={lab} />
          <LinkPanel lab={lab} />
        </div>
        <LabPlots lab={lab} />
        <div class="two">
          <LabStreams lab={lab} />
          <Happenings lab={lab} />
          <LabKeypairs lab={lab} />
          <LabTimers lab={lab} />
        </div>
      </main>
      <footer>
        Everything runs in this page: the protocol core of Underpass, with real cryptography, on a simulated
        network. The keys are drawn from the seed, so they protect nothing.
      </footer>
      <p class="hidden" role="status" aria-live="polite">
        {lab.spoken.value}
      </p>
    </>
  );
}

function focusStage(): void {
  document.getElementById('stage')?.focus();
}

function Problem({ lab }: { readonly lab: Lab }) {
  if (lab.problem.value === undefined) return null;
  return (
    <p class="problem" role="alert">
      {lab.problem.value}
      <button type="button" class="quiet" onClick={() => (lab.problem.value = undefined)}>
        Dismiss
      </button>
    </p>
  );
}

function LaneTabs({ lab }: { readonly lab: Lab }) {
  lab.version.value;
  const running = lab.run.clients.filter(({ isRunning }) => isRunning).length;
  if (running < 2) return <span class="sides-title">datagrams in flight</span>;
  const lanes: (number | undefined)[] = [undefined, ...Array.from({ length: running }, (_, i) => i)];
  return (
    <fieldset class="segmented">
      <legend class="hidden">Whose datagrams to show</legend>
      {lanes.map((lane) => (
        <label key={lane ?? 'all'}>
          <input
            type="radio"
            name="lane"
            checked={lab.lane.value === lane}
            onChange={() => {
              lab.lane.value = lane;
              lab.select(undefined);
            }}
          />
          <span>{lane === undefined ? 'All' : `Client ${lane + 1}`}</span>
        </label>
      ))}
    </fieldset>
  );
}

const LEGEND = [
  ['handshake', 'Handshake'],
  ['data', 'Data'],
  ['control', 'Acknowledgement'],
  ['attacker', 'Copy or forgery'],
  ['lost', 'Lost or refused'],
] as const;

function Legend() {
  return (
    <ul class="legend" aria-label="Legend of the ladder">
      {LEGEND.map(([look, text]) => (
        <li key={look}>
          <svg viewBox="0 0 26 10" width="26" height="10" aria-hidden="true" class={`look-${look}`}>
            {look === 'lost' ? <path d="M9 1l8 8M9 9l8-8" /> : <path d="M1 5h24" />}
          </svg>
          {text}
        </li>
      ))}
    </ul>
  );
}
