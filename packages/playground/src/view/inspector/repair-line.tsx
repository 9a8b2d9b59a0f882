import type { Datagram } from '../../model/history.js';
import type { Lab } from '../lab.js';
import { milliseconds } from '../words.js';

/** How many datagrams are named. Small packets may share what a large one carried. */
const MAX_NAMED = 4;

/** What the sender did about a datagram that was lost. */
export function RepairLine({ lab, datagram }: { readonly lab: Lab; readonly datagram: Datagram }) {
  const repair = lab.repairs.of(datagram);
  if (repair === undefined) return null;
  const { by, isWhole } = repair;
  if (by.length === 0) return <p class="repair">Nobody has sent its content again so far.</p>;
  return (
    <p class="repair">
      {isWhole ? 'Its content was sent again in ' : 'Part of its content was sent again in '}
      {by.slice(0, MAX_NAMED).map((later, i) => (
        <span key={later.id}>
          {i > 0 && ', '}
          <button type="button" class="quiet" onClick={() => lab.select(later.id)}>
            datagram {later.id}
          </button>{' '}
          after {milliseconds(later.sentAt - datagram.sentAt)}
        </span>
      ))}
      {by.length > MAX_NAMED && ' and others'}.
    </p>
  );
}
