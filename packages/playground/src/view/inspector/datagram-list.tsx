import type { Datagram } from '../../model/history.js';
import type { Lab } from '../lab.js';
import { fateMark, fateWords, milliseconds } from '../words.js';
import { DatagramLine, type DatagramLineModel } from './datagram-line.js';

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
  const isToTheRight = datagram.target === 'relay';
  const line: DatagramLineModel = {
    id: datagram.id,
    isToTheRight,
    direction: isToTheRight ? 'to the relay' : 'to the client',
    look: isAttack ? 'attacker' : look,
    label: isAttack ? `${label} (${datagram.origin})` : label,
    bytes: datagram.bytes.length,
    time: milliseconds(datagram.sentAt),
    fate: { mark: fateMark(datagram), words: fateWords(datagram) },
  };
  return (
    <li>
      <button
        type="button"
        aria-pressed={isSelected}
        data-datagram={datagram.id}
        onClick={() => lab.select(isSelected ? undefined : datagram.id)}
      >
        <DatagramLine line={line} />
      </button>
    </li>
  );
}
