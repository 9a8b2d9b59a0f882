import { useSignal } from '@preact/signals';
import { type Deed, READS_AT_ONCE } from '../../model/actions.js';
import type { Lab } from '../lab.js';

interface Choice {
  readonly text: string;
  readonly deed: Deed;
}

function choices(client: number): readonly { readonly title: string; readonly choices: readonly Choice[] }[] {
  return [
    {
      title: 'Traffic',
      choices: [
        { text: 'Upload 20 kB', deed: { kind: 'upload', client, bytes: 20_000 } },
        { text: 'Upload 1 MB', deed: { kind: 'upload', client, bytes: 1_000_000 } },
        { text: 'Download 200 kB', deed: { kind: 'download', client, bytes: 200_000 } },
        {
          text: 'Slow the relay’s reader to 20 kB/s',
          deed: { kind: 'reader', node: 0, kilobytesPerSecond: 20 },
        },
        { text: 'Read at once again', deed: { kind: 'reader', node: 0, kilobytesPerSecond: READS_AT_ONCE } },
        { text: 'Another client', deed: { kind: 'peer' } },
      ],
    },
    {
      title: 'Trouble',
      choices: [
        { text: 'Cut the link for 2 s', deed: { kind: 'blackout', ms: 2000 } },
        { text: 'New address', deed: { kind: 'move', client } },
        { text: 'NAT rebinding', deed: { kind: 'rebind', client } },
        { text: 'Restart client', deed: { kind: 'restart', node: client } },
        { text: 'Restart relay', deed: { kind: 'restart', node: 0 } },
        { text: 'Flood the relay', deed: { kind: 'flood', ms: 3000, perSecond: 300 } },
      ],
    },
    {
      title: 'Keys and clocks',
      choices: [
        { text: 'New keys now', deed: { kind: 'rekey', node: client } },
        { text: 'Client’s clock back 1 h', deed: { kind: 'clock', node: client, seconds: -3600 } },
        { text: 'Client’s clock forward 1 h', deed: { kind: 'clock', node: client, seconds: 3600 } },
      ],
    },
  ];
}

/** Everything that can be done to the processes and the link, at the present moment. */
export function ActionPanel({ lab }: { readonly lab: Lab }) {
  lab.version.value;
  const client = useSignal(1);
  const running = lab.run.clients.filter(({ isRunning }) => isRunning).length;
  if (client.value > running) client.value = 1;
  const { ahead } = lab.session;
  return (
    <section class="panel" aria-labelledby="actions-title">
      <h2 id="actions-title">Make something happen</h2>
      {running > 1 && (
        <label class="inline">
          Client
          <select
            value={client.value}
            onChange={(event) => {
              client.value = Number(event.currentTarget.value);
            }}
          >
            {Array.from({ length: running }, (_, i) => (
              <option key={String(i)} value={i + 1}>
                {i + 1}
              </option>
            ))}
          </select>
        </label>
      )}
      {choices(client.value).map(({ title, choices: buttons }) => (
        <fieldset class="choices" key={title} aria-label={title}>
          <h3>{title}</h3>
          <div>
            {buttons.map(({ text, deed }) => (
              <button type="button" key={text} onClick={() => lab.act(deed)}>
                {text}
              </button>
            ))}
          </div>
        </fieldset>
      ))}
      {ahead.length > 0 && (
        <p class="hint">
          {ahead.length === 1 ? 'One action lies' : `${ahead.length} actions lie`} ahead of this moment.
          Whatever you do now takes their place.
        </p>
      )}
    </section>
  );
}
