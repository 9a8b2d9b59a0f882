import type { Snapshot } from '@underpass/trace';
import { useEffect, useMemo } from 'preact/hooks';
import { Plots } from '../view/plots.js';
import { KeypairTable } from '../view/tables/keypair-table.js';
import { StreamTable } from '../view/tables/stream-table.js';
import { TimerTable } from '../view/tables/timer-table.js';
import { Title } from '../view/title.js';
import type { Feed } from './feed.js';
import { PassingDatagrams } from './passing-datagrams.js';
import { PeerCard } from './peer-card.js';

export function LiveApp({ feed }: { readonly feed: Feed }) {
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      const isTaken = (event.target as HTMLElement).closest('button, select, a') !== null;
      if (event.key !== ' ' || isTaken || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      feed.togglePause();
    };
    window.addEventListener('keydown', listen);
    return () => window.removeEventListener('keydown', listen);
  }, [feed]);
  const snapshot = feed.snapshot.value;
  const { value: problem } = feed.problem;
  return (
    <>
      <LiveHeader feed={feed} snapshot={snapshot} />
      <main>
        {problem !== undefined && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
        {snapshot === undefined && problem === undefined && (
          <p class="hint">Waiting for the first snapshot.</p>
        )}
        {snapshot !== undefined && <Peer feed={feed} snapshot={snapshot} />}
      </main>
      <footer>
        A view of a running process, which it cannot change. It shows no key and no byte of a connection.
        Press <kbd>Space</kbd> to pause.
      </footer>
      <p class="hidden" role="status" aria-live="polite">
        {feed.isPaused.value ? 'Paused' : ''}
      </p>
    </>
  );
}

function LiveHeader({ feed, snapshot }: { readonly feed: Feed; readonly snapshot: Snapshot | undefined }) {
  return (
    <header>
      <Title page="inspector" />
      {snapshot !== undefined && (
        <p class="small">
          {snapshot.process.kind} {snapshot.process.name}, version {snapshot.process.version},{' '}
          {snapshot.process.suite}, {snapshot.process.socket} socket
        </p>
      )}
      {snapshot !== undefined && snapshot.process.kind === 'relay' && (
        <PeerPicker feed={feed} snapshot={snapshot} />
      )}
      <div class="buttons">
        <button type="button" aria-pressed={feed.isPaused.value} onClick={() => feed.togglePause()}>
          {feed.isPaused.value ? 'Resume' : 'Pause'}
        </button>
      </div>
    </header>
  );
}

function PeerPicker({ feed, snapshot }: { readonly feed: Feed; readonly snapshot: Snapshot }) {
  const { peers, peersNotListed, peer } = snapshot;
  const shown = feed.chosen.value ?? peer?.name;
  const isListed = shown === undefined || peers.some(({ name }) => name === shown);
  return (
    <label class="picker">
      <span>Peer</span>
      <select value={shown ?? ''} onChange={(event) => feed.choose(event.currentTarget.value)}>
        {shown === undefined && <option value="">none yet</option>}
        {!isListed && <option value={shown}>{shown}</option>}
        {peers.map(({ name, isConnected }) => (
          <option key={name} value={name}>
            {isConnected ? name : `${name} (no connection)`}
          </option>
        ))}
        {peersNotListed > 0 && <option disabled>and {peersNotListed} more</option>}
      </select>
    </label>
  );
}

function Peer({ feed, snapshot }: { readonly feed: Feed; readonly snapshot: Snapshot }) {
  const { history } = feed;
  const read = useMemo(() => () => history.plots, [history]);
  const { peer, nowMs } = snapshot;
  if (peer === undefined) {
    const { value: chosen } = feed.chosen;
    return (
      <p class="problem" role="alert">
        {chosen === undefined
          ? 'No peer is configured yet.'
          : `There is no peer with the name ${chosen} any more.`}
      </p>
    );
  }
  return (
    <>
      <div class="two">
        <PeerCard peer={peer} now={nowMs} />
        <PassingDatagrams history={history} />
      </div>
      <Plots version={feed.snapshot} read={read} />
      <StreamTable
        rows={peer.streams.map((view) => ({ request: view.target, view })).reverse()}
        notListed={peer.streamsNotListed}
        hint="No stream is open."
      />
      <div class="two">
        <KeypairTable rows={peer.keypairs.map((keypair) => ({ keypair }))} now={nowMs} />
        <TimerTable rows={peer.timers} now={nowMs} />
      </div>
    </>
  );
}
