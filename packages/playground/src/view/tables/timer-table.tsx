import { nameOf } from '../../model/event-words.js';
import type { Lab } from '../lab.js';
import { milliseconds } from '../words.js';
import { processesOf } from './keypair-table.js';

/** Every timer that is set, the next one first. A process sleeps until its first timer or the next datagram. */
export function TimerTable({ lab }: { readonly lab: Lab }) {
  lab.version.value;
  const { now } = lab;
  const rows = processesOf(lab)
    .flatMap(({ node, peers }) =>
      peers.flatMap((peer, i) =>
        peer.view.timers.map(({ at, reason }) => ({ node, key: `${node} ${i} ${reason}`, at, reason })),
      ),
    )
    .sort((a, b) => a.at - b.at);
  return (
    <section class="panel" aria-labelledby="timers-title">
      <h2 id="timers-title">Timers</h2>
      {rows.length === 0 ? (
        <p class="hint">No timer is set: nothing happens until a datagram arrives.</p>
      ) : (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th>At</th>
                <th>Why it wakes</th>
                <th class="number">In</th>
              </tr>
            </thead>
            <tbody>
              {rows.map(({ node, key, at, reason }) => (
                <tr key={key}>
                  <th scope="row">{nameOf(node)}</th>
                  <td>{reason}</td>
                  <td class="number mono">{milliseconds(Math.max(0, at - now))}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
