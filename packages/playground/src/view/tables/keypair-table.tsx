import { nameOf } from '../../model/event-words.js';
import type { Process } from '../../model/process.js';
import type { Lab } from '../lab.js';
import { milliseconds } from '../words.js';

/** Every keypair that a process holds. Two of them have the same indices, seen from the two sides. */
export function KeypairTable({ lab }: { readonly lab: Lab }) {
  lab.version.value;
  const { run } = lab;
  const rows = processesOf(lab).flatMap((process) =>
    process.peers.flatMap((peer) => peer.view.keypairs.map((keypair) => ({ process, keypair }))),
  );
  return (
    <section class="panel" aria-labelledby="keypairs-title">
      <h2 id="keypairs-title">Sessions and keypairs</h2>
      {rows.length === 0 ? (
        <p class="hint">No keypair yet: the handshake makes the first one.</p>
      ) : (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th>At</th>
                <th>Slot</th>
                <th>Role</th>
                <th class="number">Own index</th>
                <th class="number">Next counter</th>
                <th class="number">Expires in</th>
              </tr>
            </thead>
            <tbody>
              {rows.map(({ process, keypair }) => (
                <tr key={`${process.node} ${keypair.id}`}>
                  <th scope="row">{nameOf(process.node)}</th>
                  <td>{keypair.slot}</td>
                  <td>{keypair.isInitiator ? 'initiator' : 'responder'}</td>
                  <td class="number mono">{keypair.localIndex.toString(16).padStart(8, '0')}</td>
                  <td class="number mono">{keypair.nextCounter}</td>
                  <td class="number mono">{milliseconds(Math.max(0, keypair.expiresAt - run.now))}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

export function processesOf({ run }: Lab): readonly Process[] {
  return [...run.clients.filter(({ isRunning }) => isRunning), run.relay];
}
