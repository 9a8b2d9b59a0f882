import { DatagramLine } from '../view/inspector/datagram-line.js';
import type { LiveHistory } from './live-history.js';

const ROWS = 40;

/** Some of the datagrams as they pass, the newest first. */
export function PassingDatagrams({ history }: { readonly history: LiveHistory }) {
  const rows = history.datagrams.slice(-ROWS).reverse();
  return (
    <section class="panel datagram-list passing" aria-labelledby="list-title">
      <h2 id="list-title">
        Datagrams{' '}
        <span class="count">
          {history.shown} of {history.passed} looked at
        </span>
      </h2>
      {rows.length === 0 && <p class="hint">None since this page was opened.</p>}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and some browsers give no focus to what scrolls */}
      <ol tabIndex={0} aria-labelledby="list-title">
        {rows.map(({ id, at, direction, bytes, look, label, packetNumber }) => (
          <li key={id} class="line">
            <DatagramLine
              line={{
                id: packetNumber,
                isToTheRight: direction === 'sent',
                direction,
                look,
                label,
                bytes,
                time: `${history.secondsAt(at).toFixed(3)} s`,
              }}
            />
          </li>
        ))}
      </ol>
    </section>
  );
}
