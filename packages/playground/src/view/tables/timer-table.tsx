import type { Deadline } from '@underpass/protocol';
import { milliseconds } from '../words.js';
import { Scroll } from './scroll.js';

/** A timer, and the process that it wakes; undefined if there is only one. */
export interface TimerRow extends Deadline {
  readonly place?: string | undefined;
}

/** Every timer that is set, the next one first. A process sleeps until its first timer or the next datagram.
 *  @param now  on the clock of the rows */
export function TimerTable({ rows, now }: { readonly rows: readonly TimerRow[]; readonly now: number }) {
  const sorted = rows.toSorted((a, b) => a.at - b.at);
  const hasPlaces = rows.some(({ place }) => place !== undefined);
  return (
    <section class="panel" aria-labelledby="timers-title">
      <h2 id="timers-title">Timers</h2>
      {sorted.length === 0 ? (
        <p class="hint">No timer is set: nothing happens until a datagram arrives.</p>
      ) : (
        <Scroll title="timers-title">
          <table>
            <thead>
              <tr>
                {hasPlaces && <th>At</th>}
                <th>Why it wakes</th>
                <th class="number">In</th>
              </tr>
            </thead>
            <tbody>
              {sorted.map(({ place, at, reason }, i) => (
                <tr key={`${place} ${reason} ${i}`}>
                  {hasPlaces && <th scope="row">{place}</th>}
                  <td>{reason}</td>
                  <td class="number mono">{milliseconds(Math.max(0, at - now))}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </section>
  );
}
