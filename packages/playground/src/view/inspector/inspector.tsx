import { useSignal } from '@preact/signals';
import type { Deed } from '../../model/actions.js';
import type { Datagram } from '../../model/history.js';
import type { Lab } from '../lab.js';
import { address, bytes, fateMark, fateWords, milliseconds, routeWords } from '../words.js';
import { ByteGrid } from './byte-grid.js';
import { FieldTable } from './field-table.js';
import { RepairLine } from './repair-line.js';

/** The selected datagram: what became of it, what can be done to it, and its bytes. */
export function Inspector({ lab }: { readonly lab: Lab }) {
  lab.version.value;
  const { datagram } = lab;
  if (datagram === undefined) {
    return (
      <section class="panel inspector empty" aria-labelledby="inspector-title">
        <h2 id="inspector-title">Datagram</h2>
        <p>
          Click a line in the ladder, or an entry of the list, to open a datagram: you can drop it, change it
          or copy it, and see what each of its bytes means.
        </p>
      </section>
    );
  }
  return <Opened lab={lab} datagram={datagram} key={datagram.id} />;
}

function Opened({ lab, datagram }: { readonly lab: Lab; readonly datagram: Datagram }) {
  // What becomes of a datagram changes in place.
  lab.version.value;
  const isOpened = useSignal(true);
  const field = useSignal<number | undefined>(undefined);
  const explanation = lab.explainer.explain(datagram);
  const shown = isOpened.value ? explanation.opened : undefined;
  const dissection = shown?.dissection ?? explanation.sealed;
  return (
    <section class="panel inspector" aria-labelledby="inspector-title">
      <h2 id="inspector-title">
        Datagram {datagram.id}: {explanation.label}
      </h2>
      <p class={`fate ${fateMark(datagram) === '✕' ? 'bad' : ''}`}>
        <span aria-hidden="true">{fateMark(datagram)}</span> {routeWords(datagram)},{' '}
        {bytes(datagram.bytes.length)}, {fateWords(datagram)}
        {datagram.isChanged && ' (you changed a byte)'}
      </p>
      <p class="mono small">
        {address(datagram.from)} → {address(datagram.to)}, sent at {milliseconds(datagram.sentAt)}
      </p>
      <RepairLine lab={lab} datagram={datagram} />
      <DatagramActions lab={lab} datagram={datagram} />
      <fieldset class="segmented" aria-label="How to show it">
        <button type="button" aria-pressed={!isOpened.value} onClick={() => (isOpened.value = false)}>
          Sealed
        </button>
        <button
          type="button"
          aria-pressed={isOpened.value}
          disabled={explanation.opened === undefined}
          onClick={() => (isOpened.value = true)}
        >
          {explanation.opened === undefined ? 'Cannot be opened' : 'Opened'}
        </button>
      </fieldset>
      <p class="summary">{dissection.summary}</p>
      <div class="bytes-and-fields">
        <ByteGrid bytes={shown?.bytes ?? datagram.bytes} dissection={dissection} field={field} />
        <FieldTable dissection={dissection} field={field} />
      </div>
    </section>
  );
}

function DatagramActions({ lab, datagram }: { readonly lab: Lab; readonly datagram: Datagram }) {
  const { id } = datagram;
  const isUnderWay = datagram.fate === 'under-way';
  const act = (deed: Deed) => () => lab.act(deed);
  const original = isUnderWay ? '' : 'It is not under way any more. Copies can still be sent.';
  return (
    <fieldset class="datagram-actions" aria-label={`Actions on datagram ${id}`}>
      <button
        type="button"
        class="danger"
        disabled={!isUnderWay}
        onClick={act({ kind: 'drop', datagram: id })}
      >
        Drop
      </button>
      <button type="button" disabled={!isUnderWay} onClick={act({ kind: 'delay', datagram: id, ms: 100 })}>
        Delay 100 ms
      </button>
      <button type="button" disabled={!isUnderWay} onClick={act({ kind: 'corrupt', datagram: id })}>
        Change a byte
      </button>
      <button type="button" onClick={act({ kind: 'duplicate', datagram: id })}>
        Duplicate
      </button>
      <button
        type="button"
        title="A copy from the address of an attacker"
        onClick={act({ kind: 'replay', datagram: id })}
      >
        Replay from elsewhere
      </button>
      <button
        type="button"
        title="A copy with another content"
        onClick={act({ kind: 'forge', datagram: id })}
      >
        Forge
      </button>
      {original !== '' && <p class="hint">{original}</p>}
    </fieldset>
  );
}
