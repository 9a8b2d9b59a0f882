import type { KeypairView } from '@underpass/protocol';
import { milliseconds } from '../words.js';
import { Scroll } from './scroll.js';

/** A keypair, and the process that holds it; undefined if there is only one. */
export interface KeypairRow {
  readonly place?: string | undefined;
  readonly keypair: KeypairView;
}

/** Every keypair that a process holds. The two sides of a session have the same indices, seen from either side.
 *  @param now  on the clock of the rows */
export function KeypairTable({ rows, now }: { readonly rows: readonly KeypairRow[]; readonly now: number }) {
  const hasPlaces = rows.some(({ place }) => place !== undefined);
  return (
    <section class="panel" aria-labelledby="keypairs-title">
      <h2 id="keypairs-title">Sessions and keypairs</h2>
      {rows.length === 0 ? (
        <p class="hint">No keypair yet: the handshake makes the first one.</p>
      ) : (
        <Scroll title="keypairs-title">
          <table>
            <thead>
              <tr>
                {hasPlaces && <th>At</th>}
                <th>Slot</th>
                <th>Role</th>
                <th class="number">Own index</th>
                <th class="number">Next counter</th>
                <th class="number">Age</th>
                <th class="number">Expires in</th>
              </tr>
            </thead>
            <tbody>
              {rows.map(({ place, keypair }) => (
                <tr key={`${place} ${keypair.id}`}>
                  {hasPlaces && <th scope="row">{place}</th>}
                  <td>{keypair.slot}</td>
                  <td>{keypair.isInitiator ? 'initiator' : 'responder'}</td>
                  <td class="number mono">{keypair.localIndex.toString(16).padStart(8, '0')}</td>
                  <td class="number mono">{keypair.nextCounter}</td>
                  <td class="number mono">{milliseconds(Math.max(0, now - keypair.createdAt))}</td>
                  <td class="number mono">{milliseconds(Math.max(0, keypair.expiresAt - now))}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </section>
  );
}
