import type { Datagram } from '../../model/history.js';
import type { Lab } from '../lab.js';
import { bytes, fateMark, fateWords, milliseconds } from '../words.js';

const ROWS = 12;

/** The datagrams as text: the newest ones, or those around the selected one. */
export function DatagramList({ lab }: { readonly lab: Lab }) {
  lab.version.value;
  const { datagrams } = lab.run.history;
  const lane = lab.lane.value;
  const shown = lane === undefined ? datagrams : datagrams.filter((datagram) => datagram.lane === lane);
  const selected = lab.selected.value;
  const at = selected === undefined ? shown.length : shown.findIndex(({ id }) => id === selected) + ROWS / 2;
  const end = Math.min(shown.length, Math.max(ROWS, at));
  const rows = shown.slice(Math.max(0, end - ROWS), end);
  return (
    <section class="panel datagram-list" aria-labelledby="list-title">
      <h2 id="list-title">
        Datagrams <span class="count">{shown.length}</span>
      </h2>
      {rows.length === 0 && <p class="hint">None yet.</p>}
      <ol>
        {rows.map((datagram) => (
          <Row key={datagram.id} lab={lab} datagram={datagram} isSelected={datagram.id === selected} />
        ))}
      </ol>
    </section>
  );
}

function Row({
  lab,
  datagram,
  isSelected,
}: {
  readonly lab: Lab;
  readonly datagram: Datagram;
  readonly isSelected: boolean;
}) {
  const { label, look } = lab.explainer.explain(datagram);
  const isAttack = datagram.origin !== 'process';
  return (
    <li>
      <button
        type="button"
        aria-pressed={isSelected}
        data-datagram={datagram.id}
        onClick={() => lab.select(isSelected ? undefined : datagram.id)}
      >
        <span class="mono id">{datagram.id}</span>
        <span class={`swatch look-${isAttack ? 'attacker' : look}`} aria-hidden="true">
          {datagram.target === 'relay' ? '→' : '←'}
        </span>
        <span class="hidden">{datagram.target === 'relay' ? 'to the relay' : 'to the client'}</span>
        <span class="label">{isAttack ? `${label} (${datagram.origin})` : label}</span>
        <span class="mono size">{bytes(datagram.bytes.length)}</span>
        <span class="mono time">{milliseconds(datagram.sentAt)}</span>
        <span class={fateMark(datagram) === '✕' ? 'mark bad' : 'mark'} title={fateWords(datagram)}>
          <span aria-hidden="true">{fateMark(datagram)}</span>
          <span class="hidden">{fateWords(datagram)}</span>
        </span>
      </button>
    </li>
  );
}
