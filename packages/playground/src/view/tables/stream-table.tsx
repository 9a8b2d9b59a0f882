import { RECEIVE_TRANSITIONS, SEND_TRANSITIONS, type StreamView } from '@underpass/protocol';
import { bytes } from '../words.js';
import { Scroll } from './scroll.js';

export interface StreamRow {
  /** The process at whose end it is seen; undefined if there is only one. */
  readonly place?: string | undefined;
  /** What was asked for on it. */
  readonly request?: string | undefined;
  readonly view: StreamView;
}

/** The streams, with the states of both halves. Each half has a window: what its receiver still takes.
 *  @param hint  what to say if there is none
 *  @param notListed  how many more there are */
export function StreamTable({
  rows,
  hint,
  notListed = 0,
}: {
  readonly rows: readonly StreamRow[];
  readonly hint: string;
  readonly notListed?: number;
}) {
  const hasPlaces = rows.some(({ place }) => place !== undefined);
  return (
    <section class="panel" aria-labelledby="streams-title">
      <h2 id="streams-title">
        Streams {notListed > 0 && <span class="count">{notListed} older ones are not listed</span>}
      </h2>
      {rows.length === 0 ? (
        <p class="hint">{hint}</p>
      ) : (
        <Scroll title="streams-title">
          <table class="streams">
            <thead>
              <tr>
                {hasPlaces && <th>At</th>}
                <th class="number">Stream</th>
                <th>Request</th>
                <th>Sending</th>
                <th class="number">acknowledged</th>
                <th class="number">window</th>
                <th>Receiving</th>
                <th class="number">read</th>
                <th class="number">window</th>
              </tr>
            </thead>
            <tbody>
              {rows.map(({ place, request, view }) => (
                <tr key={`${place} ${view.id} ${request}`}>
                  {hasPlaces && <th scope="row">{place}</th>}
                  <td class="number mono">{view.id}</td>
                  <td class="mono">{request ?? '–'}</td>
                  <td>
                    <State names={Object.keys(SEND_TRANSITIONS)} state={view.sending.state} />
                  </td>
                  <td class="number mono">
                    {bytes(view.sending.acknowledged)} / {bytes(view.sending.written)}
                  </td>
                  <td class="number mono">{bytes(Math.max(0, view.sending.limit - view.sending.sent))}</td>
                  <td>
                    <State names={Object.keys(RECEIVE_TRANSITIONS)} state={view.receiving.state} />
                  </td>
                  <td class="number mono">
                    {bytes(view.receiving.read)} / {bytes(view.receiving.largest)}
                  </td>
                  <td class="number mono">
                    {bytes(Math.max(0, view.receiving.limit - view.receiving.largest))}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
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
