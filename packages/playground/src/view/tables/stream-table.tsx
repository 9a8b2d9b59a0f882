import { RECEIVE_TRANSITIONS, SEND_TRANSITIONS, viewStream } from '@underpass/protocol';
import { nameOf } from '../../model/event-words.js';
import type { Lab } from '../lab.js';
import { bytes } from '../words.js';
import { processesOf } from './keypair-table.js';

const SHOWN = 8;

/** The streams of every process, with the states of both halves. */
export function StreamTable({ lab }: { readonly lab: Lab }) {
  lab.version.value;
  const rows = processesOf(lab).flatMap(({ node, application }) =>
    application.transfers
      .slice(-SHOWN)
      .map((transfer) => ({ node, transfer, view: viewStream(transfer.stream) })),
  );
  return (
    <section class="panel" aria-labelledby="streams-title">
      <h2 id="streams-title">Streams</h2>
      {rows.length === 0 ? (
        <p class="hint">No stream yet. Let the client upload something.</p>
      ) : (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th>At</th>
                <th class="number">Stream</th>
                <th>Request</th>
                <th>Sending</th>
                <th class="number">acknowledged</th>
                <th>Receiving</th>
                <th class="number">read</th>
              </tr>
            </thead>
            <tbody>
              {rows.map(({ node, transfer, view }) => (
                <tr key={`${node} ${view.id} ${transfer.request}`}>
                  <th scope="row">{nameOf(node)}</th>
                  <td class="number mono">{view.id}</td>
                  <td class="mono">{transfer.request}</td>
                  <td>
                    <State names={Object.keys(SEND_TRANSITIONS)} state={view.sending.state} />
                  </td>
                  <td class="number mono">
                    {bytes(view.sending.acknowledged)} / {bytes(view.sending.written)}
                  </td>
                  <td>
                    <State names={Object.keys(RECEIVE_TRANSITIONS)} state={view.receiving.state} />
                  </td>
                  <td class="number mono">
                    {bytes(view.receiving.read)} / {bytes(view.receiving.largest)}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <p class="hint">The states are those of the tables in the specification: spec streams 4.2 and 4.3.</p>
    </section>
  );
}

/** A state, with how far it is along the way from the first state to the last. */
function State({ names, state }: { readonly names: readonly string[]; readonly state: string }) {
  const isReset = state.startsWith('reset');
  const path = names.filter((name) => !name.startsWith('reset'));
  return (
    <span class={isReset ? 'stream-state reset' : 'stream-state'}>
      <span aria-hidden="true" class="pips">
        {path.map((name, i) => (
          <i key={name} class={!isReset && i <= path.indexOf(state) ? 'done' : ''} />
        ))}
      </span>
      {state}
    </span>
  );
}
